// Package powerloss proves that a power cut at any moment takes nothing away that
// was answered. It has tests only:
//
//	go test ./internal/powerloss
//	go test ./internal/powerloss -run PowerCut -v -chaos.cycles 2000 -timeout 30m
//
// A server runs under strace, which records with all their data, and in order, its
// writes, truncations, syncs and changes of names in the data directory, and the
// bytes of every answer that it gives. From that record a model of a disk is
// played up to any moment: what was synced before is there; of what was written
// since the last sync of a file any part may be, in any order, torn at any sector;
// a name is there once its directory was synced, or in the order of a journal.
// Each such image is a data directory that the server is started on, and a judge
// compares it with the answers given before the cut. Besides, the record itself
// must show, for each answer, the sync of the commit before it.
//
// Two records are made of the embedded store: one of the real binary, started
// three times, stopped once and killed once; and one of the same store and API in
// a process of the test, whose log is copied into the database and begun anew all
// the time. Of PostgreSQL only the order is checked: that its log was synced up to
// the commit before Waybell answered. What the server makes of a torn disk is
// PostgreSQL's own promise.
//
// Not proved: what a drive does that loses what it called synced or destroys
// sectors that were not being written; bit rot; faults of the file system; a
// second cut during recovery, but for those moments of the three starts recorded.
package powerloss
