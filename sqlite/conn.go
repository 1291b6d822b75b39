package sqlite

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"time"
	"unsafe"

	"github.com/waybell/waybell"
)

// conn is one connection and its prepared statements. The store has its own
// rules for who uses which connection when; a conn is used by one goroutine at a
// time.
type conn struct {
	*handle
	stmts map[string]*statement
	args  []arg
	runs  int // statements executed by exec, for "has this operation written?"
	// targets collect rows of the writer's connection; nil on readers.
	targets *targets
	// gen is the generation of the database handle, see Store.reopen.
	gen int64
	bad bool // an error of the medium was seen: do not use again
}

// dsn names the file as a URI, so that no character of the path means anything
// to the driver.
func dsn(path string) (string, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	abs = filepath.ToSlash(abs)
	if abs[0] != '/' { // a drive letter
		abs = "/" + abs
	}
	u := url.URL{Scheme: "file", Path: abs}
	return u.String(), nil
}

// connect opens a connection and runs the pragmas.
func connect(path string, pragmas ...string) (*conn, error) {
	name, err := dsn(path)
	if err != nil {
		return nil, err
	}
	h, err := openHandle(name)
	if err != nil {
		return nil, translate(err)
	}
	c := &conn{handle: h, stmts: make(map[string]*statement)}
	for _, p := range pragmas {
		if err := c.run("PRAGMA " + p); err != nil {
			return nil, errors.Join(err, c.close())
		}
	}
	return c, nil
}

// run executes SQL text that may be a script or return rows, and keeps nothing
// prepared.
func (c *conn) run(sql string) error { return c.failed(sql, c.script(sql)) }

// prepare compiles sql once for each connection. SQL texts are constants, so
// the cache is bounded by the code.
func (c *conn) prepare(sql string) (*statement, error) {
	if st := c.stmts[sql]; st != nil {
		return st, nil
	}
	st, err := c.handle.prepare(sql)
	if err != nil {
		return nil, c.failed(sql, err)
	}
	c.stmts[sql] = st
	return st, nil
}

// arg is a value for a parameter of a statement.
type arg struct {
	kind    argKind
	integer int64
	bytes   string // of a text or blob
}

type argKind uint8

const (
	argNull argKind = iota
	argInteger
	argText
	argBlob
)

func num[T ~int | ~int64 | ~uint8 | ~uint32](v T) arg {
	return arg{kind: argInteger, integer: int64(v)}
}

func text(s string) arg { return arg{kind: argText, bytes: s} }

// blob is NULL for nil. The bytes must not change until the transaction ended.
func blob(b []byte) arg {
	if b == nil {
		return arg{}
	}
	return arg{kind: argBlob, bytes: unsafe.String(unsafe.SliceData(b), len(b))}
}

func flag(b bool) arg {
	if b {
		return num(1)
	}
	return num(0)
}

func moment(t time.Time) arg { return num(t.UnixMicro()) }

// bind fills the connection's argument slice, which is reused.
func (c *conn) bind(values []any) ([]arg, error) {
	c.args = c.args[:0]
	for _, v := range values {
		a, err := argOf(v)
		if err != nil {
			return nil, err
		}
		c.args = append(c.args, a)
	}
	return c.args, nil
}

// argOf turns the types of the domain into those of SQLite.
func argOf(v any) (arg, error) {
	switch v := v.(type) {
	case nil:
		return arg{}, nil
	case arg:
		return v, nil
	case int64:
		return num(v), nil
	case int:
		return num(v), nil
	case string:
		return text(v), nil
	case []byte:
		return blob(v), nil
	case bool:
		return flag(v), nil
	case waybell.Key:
		return num(v), nil
	case waybell.AgentNumber:
		return num(v), nil
	case waybell.EndpointNumber:
		return num(v), nil
	case waybell.DeliveryState:
		return num(v), nil
	case waybell.Reason:
		return num(v), nil
	case time.Time:
		return moment(v), nil
	}
	return arg{}, fmt.Errorf("sqlite: a parameter of type %T", v)
}

// exec runs one statement and tells how many rows it changed.
func (c *conn) exec(sql string, args ...any) (int, error) {
	if err := c.settleRows(); err != nil {
		return 0, err
	}
	return c.execApart(sql, args...)
}

// settleRows inserts collected rows, so that the next statement finds them.
func (c *conn) settleRows() error {
	if c.targets == nil {
		return nil
	}
	return c.insertCollected()
}

// execApart is exec for a statement that no collected row concerns.
func (c *conn) execApart(sql string, values ...any) (int, error) {
	args, err := c.bind(values)
	if err != nil {
		return 0, err
	}
	return c.execArgs(sql, args)
}

func (c *conn) execArgs(sql string, args []arg) (int, error) {
	st, err := c.prepare(sql)
	if err != nil {
		return 0, err
	}
	c.runs++
	err = st.bind(args, borrowed)
	for more := err == nil; more; {
		more, err = st.step()
	}
	n := 0
	if err == nil {
		n = c.changes()
	} else {
		err = c.failed(sql, err) // before reset, which forgets the text
	}
	st.reset()
	c.release(keptSpace)
	return n, err
}

// query runs one statement; errors are told by rows.close.
func (c *conn) query(sql string, values ...any) *rows {
	r := &rows{c: c, sql: sql}
	if r.err = c.settleRows(); r.err != nil {
		return r
	}
	st, err := c.prepare(sql)
	if err != nil {
		r.err = err
		return r
	}
	args, err := c.bind(values)
	if err != nil {
		r.err = err
		return r
	}
	// Other statements run before this one has ended.
	if err := st.bind(args, copied); err != nil {
		r.err = c.failed(sql, err)
		return r
	}
	r.st = st
	return r
}

// queryContext is query for the few statements that may take long: ctx
// interrupts them up to their first row.
func (c *conn) queryContext(ctx context.Context, sql string) *rows {
	r := c.query(sql)
	if r.err != nil {
		return r
	}
	if r.err = ctx.Err(); r.err != nil {
		return r
	}
	interrupted := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		c.interrupt()
		close(interrupted)
	})
	r.first, r.read = r.next(), true
	if !stop() {
		<-interrupted // the handle may be closed from here on
		r.err = ctx.Err()
	}
	return r
}

// row runs a query for at most one row and hands it to scan. It tells whether
// there was one.
func (c *conn) row(scan func(*rows), sql string, args ...any) (bool, error) {
	r := c.query(sql, args...)
	found := r.next()
	if found {
		scan(r)
	}
	return found, r.close()
}

// int is row for a single integer; 0 without a row.
func (c *conn) int(sql string, args ...any) (int64, error) {
	var n int64
	_, err := c.row(func(r *rows) { n = r.int() }, sql, args...)
	return n, err
}

// failed translates an error and remembers one of the medium.
func (c *conn) failed(sql string, err error) error {
	if err == nil {
		return nil
	}
	if medium(err) {
		c.bad = true
	}
	return fmt.Errorf("sqlite: %w (in %.60q)", translate(err), sql)
}

// close finalizes the statements and ends the connection.
func (c *conn) close() error {
	for _, st := range c.stmts {
		st.finalize()
	}
	c.stmts = nil
	return c.handle.close()
}

// giveUp closes a connection to a file that failed, or that is not the store's own.
// What the log holds stays there: who recovers it, once nobody has it open, copies it
// from its beginning.
func (c *conn) giveUp() error {
	return errors.Join(c.keepLog(), c.close())
}

// rows is the result of a query. Columns are read in order by int, text, blob…
// after each next.
type rows struct {
	c     *conn
	sql   string
	st    *statement // nil: not begun, or closed
	col   int
	err   error
	ended bool
	// read tells that a row was looked for already, and first that it was found.
	read, first bool
}

func (r *rows) next() bool {
	if r.read {
		r.read = false
		return r.first && r.err == nil
	}
	if r.err != nil || r.ended || r.st == nil {
		return false
	}
	r.col = 0
	found, err := r.st.step()
	if !found {
		r.ended = true // a further step would begin the query anew (sqlite3_step)
		r.err = r.c.failed(r.sql, err)
	}
	return found
}

// close ends the query and returns the first error of it. It may be called
// again.
func (r *rows) close() error {
	if r.st != nil {
		r.st.reset()
		r.st = nil
	}
	return r.err
}

func (r *rows) column() int {
	r.col++
	return r.col - 1
}

func (r *rows) int() int64 { return r.st.integer(r.column()) }

func (r *rows) bool() bool { return r.int() != 0 }

func (r *rows) text() string { return r.st.text(r.column()) }

func (r *rows) blob() []byte { return r.st.blob(r.column()) }

func (r *rows) time() time.Time { return time.UnixMicro(r.int()).UTC() }
