package waybell

import "context"

// NodeView is a node as this one sees it.
type NodeView struct {
	Node
	This bool // the one that answers; its load is of this moment
}

// Nodes lists the living nodes and the dead ones not yet replaced, by number.
func (s *Service) Nodes(ctx context.Context) ([]NodeView, error) {
	nodes, err := s.store.Nodes(ctx)
	if err != nil {
		return nil, storeFailed("nodes", err)
	}
	own := s.lease.Load()
	list := make([]NodeView, len(nodes))
	for i, n := range nodes {
		list[i] = NodeView{Node: n}
		if own != nil && own.Node == n.Number {
			list[i].This, list[i].NodeLoad = true, s.dispatcher.load()
		}
	}
	return list, nil
}
