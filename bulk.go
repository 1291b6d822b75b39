package waybell

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"
)

// BulkRetry chooses the deliveries to send again: by their ids or by a filter.
type BulkRetry struct {
	DeliveryIDs []string // 1–250
	// Filter needs at least one field; its Limit and Cursor must be zero.
	Filter LogFilter
	Cursor string // Next of the call before, with the same filter
	// DryRun counts what would be sent again and changes nothing.
	DryRun bool
}

// BulkResult is what a call of [Service.RetryMany] did.
type BulkResult struct {
	Matched int // deliveries found by the filter, or named
	Retried int // of them made due now, or due already; 0 in a dry run
	// Skipped are those that cannot be sent again now, the first maxSkipped;
	// SkippedCount is how many there are. In a dry run, Matched - SkippedCount
	// would be sent again.
	Skipped      []SkippedDelivery
	SkippedCount int
	Next         string // Cursor to go on with, "" at the end
}

// SkippedDelivery is one that cannot be sent again, and why.
type SkippedDelivery struct {
	ID     string
	Code   Code
	Detail string
}

// The bounds of one call: it answers soon, however many deliveries there are.
const (
	maxBulkIDs   = 250
	maxBulkSends = 1000
	bulkPiece    = 250 // deliveries of one transaction
	bulkPieces   = 40  // so that a dry run counts 10,000
	bulkPatience = time.Second
	maxSkipped   = 100
)

// RetryMany sends many deliveries again, each as [Service.Retry] would. One
// call sends at most 1,000 again, or counts 10,000; Next goes on after them.
// The order is the log's, newest first, and a delivery is looked at once: what
// was sent again does not come back under a later cursor, and a repeated call
// finds those that wait due already. Errors: CodeInvalid, CodeAgentNotFound,
// CodeUnavailable; what was sent again before one stays so.
func (s *Service) RetryMany(ctx context.Context, agentID string, in BulkRetry) (BulkResult, error) {
	agent, e := s.findAgent(ctx, agentID)
	if e != nil {
		return BulkResult{}, e
	}
	if err := in.check(); err != nil {
		return BulkResult{}, err
	}
	patience, cancel := context.WithTimeout(ctx, bulkPatience)
	defer cancel()
	b := &bulk{svc: s, agent: agent, dryRun: in.DryRun, patience: patience.Done()}
	if in.DeliveryIDs != nil {
		err := b.named(ctx, in.DeliveryIDs)
		return b.BulkResult, err
	}
	f := in.Filter
	f.Cursor = in.Cursor
	q, err := s.deliveryQuery(ctx, agent, f)
	if err != nil {
		return BulkResult{}, inBody(err)
	}
	if !q.none {
		err = b.found(ctx, q)
	}
	return b.BulkResult, err
}

func (in *BulkRetry) check() error {
	var p problems
	f := in.Filter
	none := f == LogFilter{}
	switch {
	case in.DeliveryIDs == nil && none:
		p.add("body", "needs delivery_ids, or a filter with at least one field")
	case in.DeliveryIDs != nil && !none:
		p.add("body", "takes delivery_ids or a filter, not both")
	case in.DeliveryIDs != nil && (len(in.DeliveryIDs) == 0 || len(in.DeliveryIDs) > maxBulkIDs):
		p.add("body.delivery_ids", "must be 1 to %d", maxBulkIDs)
	case in.DeliveryIDs != nil && in.Cursor != "":
		p.add("body.cursor", "goes with a filter only")
	case f.Limit != 0 || f.Cursor != "":
		p.add("body.filter", "must not have a limit or a cursor")
	}
	return p.err("the request")
}

// inBody turns the locations of a query's fields into those of a body.
func inBody(err error) error {
	e, ok := errors.AsType[*Error](err)
	if !ok {
		return err
	}
	moved := *e
	moved.Fields = slices.Clone(e.Fields)
	for i := range moved.Fields {
		switch at := &moved.Fields[i].Location; *at {
		case "query.cursor":
			*at = "body.cursor"
		default:
			*at = "body.filter." + strings.TrimPrefix(*at, "query.")
		}
	}
	return &moved
}

// bulk is one call of RetryMany.
type bulk struct {
	BulkResult
	svc      *Service
	agent    *agentEntry
	dryRun   bool
	patience <-chan struct{} // closed when nothing is waited for any more
}

func (b *bulk) skip(id string, why *Error) {
	if b.SkippedCount++; len(b.Skipped) < maxSkipped {
		b.Skipped = append(b.Skipped, SkippedDelivery{id, why.Code, why.Message})
	}
}

// named sends deliveries again that were chosen one by one.
func (b *bulk) named(ctx context.Context, ids []string) error {
	var list []DeliveryView
	for _, id := range uniq(ids) {
		_, d, err := b.svc.findDelivery(ctx, b.agent.ID, id)
		switch e := asError(err); {
		case err == nil:
			list = append(list, DeliveryView{Delivery: d})
		case e.Code == CodeDeliveryNotFound:
			b.skip(id, e)
		default:
			return err
		}
	}
	b.Matched = b.SkippedCount + len(list)
	return b.send(ctx, list)
}

// found sends again what a query finds.
func (b *bulk) found(ctx context.Context, q logQuery) error {
	scan := q.Scan
	for range bulkPieces {
		q.Limit, q.Scan = bulkPiece, scan
		if !b.dryRun {
			q.Limit = min(q.Limit, maxBulkSends-b.Retried)
		}
		rows, next, err := b.svc.searchDeliveries(ctx, q)
		if err != nil {
			return storeMissing("deliveries", err, CodeAgentNotFound)
		}
		if err := b.send(ctx, rows); err != nil {
			return err
		}
		b.Matched += len(rows)
		if b.Next = ""; next == (DeliveryRef{}) {
			return nil
		}
		b.Next, q.After = deliveryCursor(next), next
		if b.Retried >= maxBulkSends {
			return nil
		}
	}
	return nil
}

// send sends a piece again, or only looks which of it can be.
func (b *bulk) send(ctx context.Context, rows []DeliveryView) error {
	var list []Delivery
	for i := range rows {
		d := rows[i].Delivery
		e, why := b.svc.resendable(&d)
		if why == nil && e.over(&d) && !b.free(&d) {
			why = stillUnderWay(CodeBusy)
		}
		if why != nil {
			b.skip(d.ID(), why)
			continue
		}
		list = append(list, d)
	}
	if b.dryRun || len(list) == 0 {
		return nil
	}
	results, err := b.svc.requeue(ctx, b.agent, list)
	if err != nil {
		return err
	}
	for i, err := range results {
		if err == nil {
			b.Retried++
		} else {
			if err.Code == CodeDeliveryInFlight {
				err = stillUnderWay(CodeBusy) // the same, whichever node has it
			}
			b.skip(list[i].ID(), err)
		}
	}
	return nil
}

// free tells whether a delivery that is over is in nobody's hand. One whose outcome is
// stored leaves it as soon as the node knows that it is.
func (b *bulk) free(d *Delivery) bool {
	done, inHand := b.svc.dispatcher.find(d.DeliveryRef)
	if !inHand || !d.State.Settled() || d.State == DeliveryCanceled {
		return !inHand
	}
	select {
	case <-done:
		return true
	case <-b.patience:
		return false
	}
}

func stillUnderWay(code Code) *Error {
	return &Error{Code: code, Message: "it was canceled while an attempt is under way: send it again when that has ended", RetryAfter: time.Second}
}

// resendable finds the endpoint of a delivery, or tells why it takes none now.
func (s *Service) resendable(d *Delivery) (*endpointEntry, *Error) {
	e := s.dir.entry(d.Endpoint)
	switch {
	case e == nil || e.State == EndpointDeleted:
		return nil, errorf(CodeEndpointNotFound, "the endpoint of this delivery was deleted")
	case e.State == EndpointDisabled:
		return nil, errorf(CodeEndpointDisabled, "the endpoint is disabled: enable it first")
	case e.IsHeld():
		return nil, errorf(CodeDeliveryHeld, "the endpoint is %s: resume it first", e.State)
	}
	return e, nil
}

// over tells whether a delivery, as it was read, is settled or as good as that:
// an attempt under way is the last one of what was canceled meanwhile.
func (e *endpointEntry) over(d *Delivery) bool { return d.State.Settled() || e.cancels(d.Entered) }

// requeue is the one way in which deliveries of an agent are sent again: it
// makes them due, in one transaction, and returns for each why not, or nil. An
// attempt under way counts: the call is coalesced with it. Callers have made
// sure that those that are over are in nobody's hand.
func (s *Service) requeue(ctx context.Context, agent *agentEntry, list []Delivery) ([]*Error, error) {
	results := make([]*Error, len(list))
	now := s.clock.now()
	var rows []Requeue
	var of []int // which of the list each row is
	for i := range list {
		d := &list[i]
		e, why := s.resendable(d)
		if why != nil {
			results[i] = why
			continue
		}
		if _, inHand := s.dispatcher.find(d.DeliveryRef); inHand && !e.over(d) {
			continue
		}
		rows = append(rows, Requeue{
			DeliveryRef: d.DeliveryRef, Agent: agent.Number, Now: now, Entered: s.keys.next(),
			WindowEnd: now.Add(e.policy.Window - e.heldUntil(now)), CanceledUpTo: e.CancelUpTo,
		})
		of = append(of, i)
	}
	if len(rows) == 0 {
		return results, nil
	}
	defer s.claimer.dueAt(now) // on an error too: the commit may be there without its outcome being known
	requeued, err := s.store.Requeue(ctx, *s.lease.Load(), rows)
	if err != nil {
		return nil, storeMissing("deliveries", err, CodeDeliveryNotFound)
	}
	for j := range requeued {
		d, w := &list[of[j]], &requeued[j]
		if errors.Is(w.Err, ErrConflict) {
			results[of[j]] = stillUnderWay(CodeDeliveryInFlight)
			continue
		}
		if w.Err != nil {
			results[of[j]] = asError(storeMissing("deliveries", w.Err, CodeDeliveryNotFound))
			continue
		}
		s.dispatcher.probeNow(d.Endpoint)
		s.tellWaiting(d.EventID, &w.Waiting)
	}
	return results, nil
}
