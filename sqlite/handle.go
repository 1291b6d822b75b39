package sqlite

import (
	"errors"
	"fmt"
	"slices"
	"unsafe"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

// handle is a database handle of SQLite's C interface
// (https://sqlite.org/c3ref/intro.html). The driver above that interface costs a
// third as much as SQLite's own work on a row: it boxes every value, asks for the
// name of every parameter, allocates every blob, and has SQLite lock a mutex in
// each call. A handle has none of that, so one goroutine at a time may use it.
type handle struct {
	tls *libc.TLS
	db  uintptr
	// space is memory of SQLite's for what statements are given, used again by
	// each.
	space   []byte
	at      uintptr   // where it lies
	backups []*backup // copies of this database under way
}

// keptSpace bounds what stays allocated of space between two statements.
const keptSpace = 256 << 10

// resultError is an error of SQLite.
type resultError struct {
	code int // extended
	text string
}

// Error implements error.
func (e *resultError) Error() string { return fmt.Sprintf("%s (%d)", e.text, e.code) }

// Code is the extended result code, https://sqlite.org/rescode.html.
func (e *resultError) Code() int { return e.code }

// openHandle opens a database by its URI, https://sqlite.org/uri.html.
func openHandle(uri string) (*handle, error) {
	preparePageCache()
	h := &handle{tls: libc.NewTLS()}
	to, err := h.allocate(int(unsafe.Sizeof(h.db)))
	if err != nil {
		h.tls.Close()
		return nil, err
	}
	const flags = sqlite3.SQLITE_OPEN_READWRITE | sqlite3.SQLITE_OPEN_CREATE | sqlite3.SQLITE_OPEN_NOMUTEX | sqlite3.SQLITE_OPEN_URI
	if err = h.reserve(len(uri) + 1); err == nil {
		rc := sqlite3.Xsqlite3_open_v2(h.tls, h.word(uri), to, flags, 0)
		h.db = *(*uintptr)(pointer(to)) // there even where opening failed
		if err = h.result(rc); err == nil {
			err = h.result(sqlite3.Xsqlite3_extended_result_codes(h.tls, h.db, 1))
		}
	}
	sqlite3.Xsqlite3_free(h.tls, to)
	if err != nil {
		return nil, errors.Join(err, h.close())
	}
	return h, nil
}

// close ends the handle. Its statements must have been finalized.
func (h *handle) close() error {
	h.release(0)
	for len(h.backups) > 0 {
		_ = h.backups[0].finish() // given up
	}
	rc := sqlite3.Xsqlite3_close_v2(h.tls, h.db) // of 0 it is a no-op
	err := h.codeOnly(rc)
	h.db = 0
	h.tls.Close()
	return err
}

// vaSlot is the size of one argument in a list of them,
// https://pkg.go.dev/modernc.org/libc#VaList.
const vaSlot = 8

// keepLog has the handle leave the write-ahead log as it is when it is closed, even
// as the last one: what was copied of it may not have reached the disk.
func (h *handle) keepLog() error {
	list, err := h.allocate(2 * vaSlot)
	if err != nil {
		return err
	}
	defer sqlite3.Xsqlite3_free(h.tls, list)
	return h.result(sqlite3.Xsqlite3_db_config(h.tls, h.db, sqlite3.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, libc.VaList(list, int32(1), uintptr(0))))
}

// result makes an error of a result code, with the text that the handle has for it.
func (h *handle) result(rc int32) error {
	if rc == sqlite3.SQLITE_OK || h.db == 0 {
		return h.codeOnly(rc)
	}
	return &resultError{int(rc), libc.GoString(sqlite3.Xsqlite3_errmsg(h.tls, h.db))}
}

func (h *handle) codeOnly(rc int32) error {
	if rc == sqlite3.SQLITE_OK {
		return nil
	}
	return &resultError{int(rc), libc.GoString(sqlite3.Xsqlite3_errstr(h.tls, rc))}
}

// script runs SQL text of any number of statements; rows they return are dropped.
func (h *handle) script(sql string) error {
	if err := h.reserve(len(sql) + 1); err != nil {
		return err
	}
	defer h.release(keptSpace)
	return h.result(sqlite3.Xsqlite3_exec(h.tls, h.db, h.word(sql), 0, 0, 0))
}

// interrupt makes statements under way fail with SQLITE_INTERRUPT. It may be
// called by another goroutine while the handle is open.
func (h *handle) interrupt() {
	tls := libc.NewTLS()
	defer tls.Close()
	sqlite3.Xsqlite3_interrupt(tls, h.db)
}

// changes is how many rows the last statement changed.
func (h *handle) changes() int { return int(sqlite3.Xsqlite3_changes64(h.tls, h.db)) }

func (h *handle) allocate(n int) (uintptr, error) {
	p := sqlite3.Xsqlite3_malloc64(h.tls, uint64(n))
	if p == 0 {
		return 0, h.codeOnly(sqlite3.SQLITE_NOMEM)
	}
	return p, nil
}

// reserve makes room for n bytes in space, which loses what it held.
func (h *handle) reserve(n int) error {
	if n <= len(h.space) {
		return nil
	}
	h.release(0)
	n = max(n, 4<<10)
	p, err := h.allocate(n)
	if err != nil {
		return err
	}
	h.at, h.space = p, unsafe.Slice((*byte)(pointer(p)), n)
	return nil
}

// release gives space back where it is larger than most.
func (h *handle) release(most int) {
	if len(h.space) > most {
		sqlite3.Xsqlite3_free(h.tls, h.at)
		h.at, h.space = 0, nil
	}
}

// word puts a text into space, with the 0 at its end that C wants.
func (h *handle) word(s string) uintptr {
	copy(h.space, s)
	h.space[len(s)] = 0
	return h.at
}

// pointer is where SQLite's memory lies. The collector knows nothing of it, so
// it cannot move; go vet takes any other conversion for a mistake.
func pointer(p uintptr) unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(&p)) }

// statement is a prepared statement of a handle.
type statement struct {
	h          *handle
	p          uintptr
	parameters int
}

// prepare compiles a single statement.
func (h *handle) prepare(sql string) (*statement, error) {
	to, err := h.allocate(int(unsafe.Sizeof(h.db)))
	if err != nil {
		return nil, err
	}
	defer sqlite3.Xsqlite3_free(h.tls, to)
	if err := h.reserve(len(sql) + 1); err != nil {
		return nil, err
	}
	defer h.release(keptSpace)
	rc := sqlite3.Xsqlite3_prepare_v3(h.tls, h.db, h.word(sql), int32(len(sql)+1), sqlite3.SQLITE_PREPARE_PERSISTENT, to, 0)
	if err := h.result(rc); err != nil {
		return nil, err
	}
	st := &statement{h: h, p: *(*uintptr)(pointer(to))}
	st.parameters = int(sqlite3.Xsqlite3_bind_parameter_count(h.tls, st.p))
	return st, nil
}

// finalize ends the statement. The error of its last step was told then.
func (st *statement) finalize() { sqlite3.Xsqlite3_finalize(st.h.tls, st.p) }

// reset makes the statement ready to run anew. The error of its last step was
// told then.
func (st *statement) reset() { sqlite3.Xsqlite3_reset(st.h.tls, st.p) }

// step runs the statement to its next row, or to its end.
func (st *statement) step() (row bool, err error) {
	switch rc := sqlite3.Xsqlite3_step(st.h.tls, st.p); rc {
	case sqlite3.SQLITE_ROW:
		return true, nil
	case sqlite3.SQLITE_DONE:
		return false, nil
	default:
		return false, st.h.result(rc)
	}
}

// Where SQLite finds a bound text or blob while the statement runs.
const (
	borrowed = uintptr(0)  // SQLITE_STATIC: in space, which nothing else uses until it ended
	copied   = ^uintptr(0) // SQLITE_TRANSIENT: in a copy of its own
)

// bind gives the statement its parameters.
func (st *statement) bind(args []arg, lifetime uintptr) error {
	if len(args) != st.parameters {
		return fmt.Errorf("%d parameters are given, not %d", len(args), st.parameters)
	}
	h, size := st.h, 0
	for i := range args {
		size += len(args[i].bytes)
	}
	if size > 0 {
		if err := h.reserve(size); err != nil {
			return err
		}
	}
	used := 0
	for i := range args {
		a, at := &args[i], h.at+uintptr(used)
		used += copy(h.space[used:], a.bytes)
		var rc int32
		switch n := int32(i + 1); {
		case a.kind == argInteger:
			rc = sqlite3.Xsqlite3_bind_int64(h.tls, st.p, n, a.integer)
		case a.kind == argNull:
			rc = sqlite3.Xsqlite3_bind_null(h.tls, st.p, n)
		case a.kind == argBlob && len(a.bytes) == 0:
			rc = sqlite3.Xsqlite3_bind_zeroblob(h.tls, st.p, n, 0)
		case a.kind == argBlob:
			rc = sqlite3.Xsqlite3_bind_blob(h.tls, st.p, n, at, int32(len(a.bytes)), lifetime)
		default:
			rc = st.bindText(n, at, len(a.bytes), lifetime)
		}
		if rc != sqlite3.SQLITE_OK {
			return h.result(rc)
		}
	}
	return nil
}

// bindText binds an empty text too where there is no space at all: a null
// pointer would bind NULL.
func (st *statement) bindText(n int32, at uintptr, size int, lifetime uintptr) int32 {
	if st.h.at == 0 {
		if err := st.h.reserve(1); err != nil {
			return sqlite3.SQLITE_NOMEM
		}
		at = st.h.at
	}
	return sqlite3.Xsqlite3_bind_text(st.h.tls, st.p, n, at, int32(size), lifetime)
}

// The columns of the row that step found; NULL reads as 0 and "".

func (st *statement) integer(col int) int64 {
	return sqlite3.Xsqlite3_column_int64(st.h.tls, st.p, int32(col))
}

func (st *statement) text(col int) string {
	p := sqlite3.Xsqlite3_column_text(st.h.tls, st.p, int32(col))
	return string(st.column(p, col))
}

// blob is nil for NULL and empty, but not nil, for an empty blob.
func (st *statement) blob(col int) []byte {
	if sqlite3.Xsqlite3_column_type(st.h.tls, st.p, int32(col)) == sqlite3.SQLITE_NULL {
		return nil
	}
	p := sqlite3.Xsqlite3_column_blob(st.h.tls, st.p, int32(col))
	return append([]byte{}, st.column(p, col)...)
}

// column is the text or blob at p: SQLite's memory until the next step.
func (st *statement) column(p uintptr, col int) []byte {
	n := sqlite3.Xsqlite3_column_bytes(st.h.tls, st.p, int32(col))
	if p == 0 || n == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(pointer(p)), n)
}

// backup copies a database page by page, https://sqlite.org/backup.html.
type backup struct {
	source *handle
	p      uintptr
}

// backupOf begins a copy of source into h. Until it is finished, only who uses
// source may use h.
func (h *handle) backupOf(source *handle) (*backup, error) {
	const main = "main"
	if err := h.reserve(len(main) + 1); err != nil {
		return nil, err
	}
	name := h.word(main)
	p := sqlite3.Xsqlite3_backup_init(h.tls, h.db, name, source.db, name)
	if p == 0 {
		return nil, h.result(sqlite3.Xsqlite3_extended_errcode(h.tls, h.db))
	}
	b := &backup{source, p}
	source.backups = append(source.backups, b)
	return b, nil
}

// step copies so many pages and tells whether there may be more.
func (b *backup) step(pages int) (more bool, err error) {
	switch rc := sqlite3.Xsqlite3_backup_step(b.source.tls, b.p, int32(pages)); rc {
	case sqlite3.SQLITE_OK:
		return true, nil
	case sqlite3.SQLITE_DONE:
		return false, nil
	default:
		return false, b.source.codeOnly(rc)
	}
}

// finish ends the copy, whole or not.
func (b *backup) finish() error {
	b.source.backups = slices.DeleteFunc(b.source.backups, func(other *backup) bool { return other == b })
	return b.source.codeOnly(sqlite3.Xsqlite3_backup_finish(b.source.tls, b.p))
}

// syncFile makes what was written to the database file durable, as SQLite does at
// the end of a checkpoint.
func (h *handle) syncFile() error {
	file, err := h.file()
	if err != nil {
		return err
	}
	methods := (*sqlite3.Tsqlite3_file)(pointer(file)).FpMethods
	sync := (*sqlite3.Tsqlite3_io_methods)(pointer(methods)).FxSync
	call := *(*func(*libc.TLS, uintptr, int32) int32)(unsafe.Pointer(&struct{ uintptr }{sync}))
	return h.codeOnly(call(h.tls, file, sqlite3.SQLITE_SYNC_NORMAL))
}

// file is SQLite's object for the database file. A descriptor of our own would not
// do in its place: to close one ends every lock that the process has on the file.
func (h *handle) file() (uintptr, error) {
	to, err := h.allocate(int(unsafe.Sizeof(h.db)))
	if err != nil {
		return 0, err
	}
	defer sqlite3.Xsqlite3_free(h.tls, to)
	if err := h.result(sqlite3.Xsqlite3_file_control(h.tls, h.db, 0, sqlite3.SQLITE_FCNTL_FILE_POINTER, to)); err != nil {
		return 0, err
	}
	return *(*uintptr)(pointer(to)), nil
}
