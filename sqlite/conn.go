package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net/url"
	"path/filepath"
	"time"

	"github.com/waybell/waybell"
	"modernc.org/sqlite"
)

// conn is one connection and its prepared statements. It works on the driver
// itself: the pool, the locks and the conversions of database/sql cost as much
// as the statements, and the store has its own rules for who uses which
// connection when. A conn is used by one goroutine at a time.
type conn struct {
	raw   driver.Conn
	ctx   context.Context // never done: a statement is not interrupted
	stmts map[string]*statement
	args  []driver.NamedValue
	runs  int // statements executed by exec, for "has this operation written?"
	// targets collect rows of the writer's connection; nil on readers.
	targets *targets
	// gen is the generation of the database handle, see Store.reopen.
	gen int64
	bad bool // an error of the medium was seen: do not use again
}

type statement struct {
	driver.Stmt
	exec  driver.StmtExecContext
	query driver.StmtQueryContext
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

// connect opens a connection and runs the pragmas. ctx is never done.
func connect(ctx context.Context, path string, pragmas ...string) (*conn, error) {
	name, err := dsn(path)
	if err != nil {
		return nil, err
	}
	connector, err := sqlite.NewConnector(name)
	if err != nil {
		return nil, err
	}
	raw, err := connector.Connect(ctx)
	if err != nil {
		return nil, translate(err)
	}
	c := &conn{raw: raw, ctx: ctx, stmts: make(map[string]*statement)}
	for _, p := range pragmas {
		if err := c.run("PRAGMA " + p); err != nil {
			return nil, errors.Join(err, c.close())
		}
	}
	return c, nil
}

// run executes SQL text that may be a script or return rows, and keeps nothing
// prepared.
func (c *conn) run(sql string) error {
	e, ok := c.raw.(driver.ExecerContext)
	if !ok {
		return errors.New("sqlite: the driver lacks ExecContext")
	}
	_, err := e.ExecContext(c.ctx, sql, nil)
	return c.failed(sql, err)
}

// prepare compiles sql once for each connection. SQL texts are constants, so
// the cache is bounded by the code.
func (c *conn) prepare(sql string) (*statement, error) {
	if st := c.stmts[sql]; st != nil {
		return st, nil
	}
	raw, err := c.raw.Prepare(sql)
	if err != nil {
		return nil, c.failed(sql, err)
	}
	st := &statement{Stmt: raw}
	var ok1, ok2 bool
	st.exec, ok1 = raw.(driver.StmtExecContext)
	st.query, ok2 = raw.(driver.StmtQueryContext)
	if !ok1 || !ok2 {
		return nil, errors.Join(errors.New("sqlite: the driver lacks contexts"), raw.Close())
	}
	c.stmts[sql] = st
	return st, nil
}

// bind fills the connection's argument slice, which is reused.
func (c *conn) bind(args []any) []driver.NamedValue {
	c.args = c.args[:0]
	for i, a := range args {
		c.args = append(c.args, driver.NamedValue{Ordinal: i + 1, Value: value(a)})
	}
	return c.args
}

// value turns the types of the domain into those of the driver.
func value(a any) driver.Value {
	switch v := a.(type) {
	case int64, string, []byte, nil:
		return v
	case int:
		return int64(v)
	case bool:
		if v {
			return int64(1)
		}
		return int64(0)
	case waybell.Key:
		return int64(v)
	case waybell.AgentNumber:
		return int64(v)
	case waybell.EndpointNumber:
		return int64(v)
	case waybell.DeliveryState:
		return int64(v)
	case waybell.Reason:
		return int64(v)
	case time.Time:
		return v.UnixMicro()
	default:
		return a // the driver refuses what it does not know
	}
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
func (c *conn) execApart(sql string, args ...any) (int, error) {
	return c.execArgs(sql, c.bind(args))
}

func (c *conn) execArgs(sql string, args []driver.NamedValue) (int, error) {
	st, err := c.prepare(sql)
	if err != nil {
		return 0, err
	}
	c.runs++
	res, err := st.exec.ExecContext(c.ctx, args)
	if err != nil {
		return 0, c.failed(sql, err)
	}
	n, err := res.RowsAffected()
	return int(n), err
}

// query runs one statement; errors are told by rows.close.
func (c *conn) query(sql string, args ...any) *rows {
	return c.queryContext(c.ctx, sql, args...)
}

// queryContext is query for the few statements that may take long: ctx
// interrupts them up to their first row.
func (c *conn) queryContext(ctx context.Context, sql string, args ...any) *rows {
	r := &rows{c: c, sql: sql}
	if r.err = c.settleRows(); r.err != nil {
		return r
	}
	st, err := c.prepare(sql)
	if err != nil {
		r.err = err
		return r
	}
	r.rows, err = st.query.QueryContext(ctx, c.bind(args))
	if err != nil {
		r.rows, r.err = nil, c.failed(sql, err)
		return r
	}
	r.values = make([]driver.Value, len(r.rows.Columns()))
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
	var errs []error
	for _, st := range c.stmts {
		errs = append(errs, st.Close())
	}
	c.stmts = nil
	return errors.Join(append(errs, c.raw.Close())...)
}

// rows is the result of a query. Columns are read in order by int, text, blob…
// after each next.
type rows struct {
	c      *conn
	sql    string
	rows   driver.Rows
	values []driver.Value
	col    int
	err    error
	ended  bool
}

func (r *rows) next() bool {
	if r.err != nil || r.ended {
		return false
	}
	r.col = 0
	err := r.rows.Next(r.values)
	if err == nil {
		return true
	}
	r.ended = true // a further step would begin the query anew (sqlite3_step)
	if err != io.EOF {
		r.err = r.c.failed(r.sql, err)
	}
	return false
}

// close ends the query and returns the first error of it. It may be called
// again.
func (r *rows) close() error {
	if r.rows != nil {
		if err := r.rows.Close(); r.err == nil {
			r.err = r.c.failed(r.sql, err)
		}
		r.rows = nil
	}
	return r.err
}

func (r *rows) value() driver.Value {
	v := r.values[r.col]
	r.col++
	return v
}

func (r *rows) int() int64 {
	n, _ := r.value().(int64) // NULL reads as 0; STRICT tables hold nothing else
	return n
}

func (r *rows) bool() bool { return r.int() != 0 }

func (r *rows) text() string {
	s, _ := r.value().(string)
	return s
}

// blob is nil for NULL and empty, but not nil, for an empty blob.
func (r *rows) blob() []byte {
	b, ok := r.value().([]byte)
	if ok && b == nil {
		b = []byte{}
	}
	return b
}

func (r *rows) time() time.Time { return time.UnixMicro(r.int()).UTC() }
