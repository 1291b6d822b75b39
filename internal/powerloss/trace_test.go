//go:build linux

package powerloss

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math"
	"os"
	"strconv"
	"strings"
)

// opKind is what a process asked of the system.
type opKind uint8

const (
	opWrite opKind = iota
	opTruncate
	opSync
	opOpen // with O_CREAT
	opUnlink
	opRename
	opLink
	opMkdir
	opSend // bytes to a socket
)

// op is one call. Calls are in the order in which strace saw them begin, which it
// does before the system may act; it sees the end after the system has acted. So
// what ended before another began was done before it.
type op struct {
	kind opKind
	// path is the file, or the socket; to the new name of a rename or link.
	path, to string
	off      int64 // opWrite: -1 = at the position of the file
	size     int64 // opTruncate
	data     []byte
	clear    bool // opOpen: O_TRUNC
	// begin and end are places in the record; end is never where the process
	// died before.
	begin, end int // lines, or microseconds
}

const never = math.MaxInt

// recorded are the calls that strace is asked for. mmap is there to be sure that
// no file but SQLite's index of the log is written through memory.
const recorded = "open,openat,creat,write,writev,pwrite64,pwritev,pwritev2,ftruncate,truncate,fallocate,fsync,fdatasync," +
	"sync_file_range,copy_file_range,sendfile,rename,renameat,renameat2,unlink,unlinkat,link,linkat,mkdir,mkdirat,mmap,sendto,sendmsg"

// readTrace reads what strace wrote with -f -y -xx. Only files under dir and
// sockets are of interest. from is where the record goes on. With timed the lines
// have their time (-ttt), and that is their place: strace notes it before a call
// may act and after it has acted, so that records of several can be compared.
func readTrace(name, dir string, from int, timed bool) (ops []*op, lines int, err error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, 0, err
	}
	defer f.Close()
	p := parser{dir: dir, line: from, timed: timed, open: map[string]*unfinished{}}
	number := 0
	in := bufio.NewReaderSize(f, 1<<20)
	for {
		line, err := in.ReadBytes('\n')
		if len(line) > 0 && err == nil { // a last line without its end was cut off with the process
			if err := p.take(bytes.TrimSuffix(line, []byte("\n"))); err != nil {
				return nil, 0, fmt.Errorf("%s, line %d: %w", name, number+1, err)
			}
			number++
			if !timed {
				p.line++
			}
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, 0, err
		}
	}
	for _, u := range p.open { // never ended
		if err := p.call(u.text+" = ?", u.begin, never, u.at); err != nil {
			return nil, 0, err
		}
	}
	list := p.ops[:0]
	for _, o := range p.ops {
		if o != nil {
			list = append(list, o)
		}
	}
	return list, p.line, nil
}

// parser puts the lines of a trace together.
type parser struct {
	dir   string
	timed bool
	line  int                    // the place of the present one
	open  map[string]*unfinished // by thread
	ops   []*op                  // nil for calls of no interest
}

// unfinished is a call that another thread's came between.
type unfinished struct {
	text  string
	begin int
	at    int // its place in ops
}

func (p *parser) take(line []byte) error {
	thread, rest, ok := strings.Cut(string(line), " ")
	if !ok {
		return fmt.Errorf("not a line of strace: %.100q", line)
	}
	rest = strings.TrimLeft(rest, " ")
	if p.timed {
		at, after, _ := strings.Cut(rest, " ")
		seconds, micros, _ := strings.Cut(at, ".")
		n, err := strconv.Atoi(seconds + micros)
		if err != nil {
			return fmt.Errorf("time of a line: %w", err)
		}
		p.line, rest = n, after
	}
	switch {
	case strings.HasPrefix(rest, "---"), strings.HasPrefix(rest, "+++"):
		return nil // signals and ends
	case strings.HasSuffix(rest, "<detached ...>"):
		return p.detached(thread, strings.TrimSuffix(rest, "<detached ...>"))
	case strings.HasSuffix(rest, "<unfinished ...>"):
		p.open[thread] = &unfinished{strings.TrimSuffix(rest, "<unfinished ...>"), p.line, len(p.ops)}
		p.ops = append(p.ops, nil)
		return nil
	case strings.HasPrefix(rest, "<... "):
		u := p.open[thread]
		if u == nil {
			return fmt.Errorf("the end of a call that did not begin: %.100q", line)
		}
		delete(p.open, thread)
		_, tail, ok := strings.Cut(rest, "resumed>")
		if !ok {
			return fmt.Errorf("not a line of strace: %.100q", line)
		}
		return p.call(u.text+tail, u.begin, p.line, u.at)
	}
	p.ops = append(p.ops, nil)
	return p.call(rest, p.line, p.line, len(p.ops)-1)
}

// detached takes a call during which the process was killed, at the end of the
// record: of the other threads' it may not even have the name.
func (p *parser) detached(thread, rest string) error {
	if strings.HasPrefix(rest, "<... ") || strings.HasPrefix(rest, "???") {
		return nil // what is in p.open[thread] did not end
	}
	delete(p.open, thread)
	p.ops = append(p.ops, nil)
	return p.call(rest, p.line, never, len(p.ops)-1)
}

// call reads one call and puts it at its place.
func (p *parser) call(text string, begin, end, at int) error {
	name, rest, ok := strings.Cut(text, "(")
	i := strings.LastIndex(rest, ") ")
	if end == never {
		i = len(rest) // the arguments may be cut off, too
	}
	if !ok || i < 0 {
		return fmt.Errorf("not a call: %.60q … %q", text, text[max(0, len(text)-60):])
	}
	result := int64(math.MaxInt64) // unknown: all of it may have been done
	if end != never {
		_, r, _ := strings.Cut(rest[i:], "= ")
		word, _, _ := strings.Cut(r, " ")
		word, _, _ = strings.Cut(word, "<")
		if word == "?" {
			end = never
		} else {
			n, err := strconv.ParseInt(word, 0, 64)
			if err != nil {
				return fmt.Errorf("result of %.100q: %w", text, err)
			}
			if n < 0 {
				return nil // it did nothing
			}
			result = n
		}
	}
	o, err := p.interpret(name, arguments(rest[:i]), result)
	if o != nil {
		o.begin, o.end = begin, end
		p.ops[at] = o
	}
	return err
}

// arguments splits at the commas outside of brackets. Strings are in hexadecimal
// and hold none.
func arguments(text string) (list []string) {
	depth, start := 0, 0
	for i := range len(text) {
		switch text[i] {
		case '[', '{', '(':
			depth++
		case ']', '}', ')':
			depth--
		case ',':
			if depth == 0 {
				list = append(list, strings.TrimSpace(text[start:i]))
				start = i + 1
			}
		}
	}
	return append(list, strings.TrimSpace(text[start:]))
}

func (p *parser) interpret(name string, args []string, result int64) (*op, error) {
	number := func(i int) int64 {
		if i >= len(args) {
			return 0
		}
		n, _ := strconv.ParseInt(args[i], 0, 64) // of a call that was cut off
		return n
	}
	path := described(args[0])
	mine := p.within(path)
	switch name {
	case "write", "writev", "sendto", "sendmsg", "pwrite64", "pwritev", "pwritev2":
		socket := strings.HasPrefix(path, "socket:") || strings.HasPrefix(path, "TCP")
		if !mine && !socket || len(args) < 2 {
			return nil, nil
		}
		data := quoted(args[1])
		if mine && int64(len(data)) < result && result != math.MaxInt64 {
			return nil, fmt.Errorf("%s: %d bytes of %d are recorded", path, len(data), result)
		}
		data = data[:min(int64(len(data)), result)]
		if socket {
			return &op{kind: opSend, path: path, data: data}, nil
		}
		off := int64(-1)
		if name[0] == 'p' {
			off = number(3)
		}
		return &op{kind: opWrite, path: path, off: off, data: data}, nil
	case "ftruncate":
		return only(mine, &op{kind: opTruncate, path: path, size: number(1)}), nil
	case "fsync", "fdatasync":
		return only(mine || strings.HasPrefix(p.dir, path+"/"), &op{kind: opSync, path: path}), nil
	case "sync_file_range": // makes nothing durable: neither the length of a file nor what the disk has in its cache
		return nil, nil
	case "open", "openat", "creat", "unlink", "unlinkat", "rename", "renameat", "renameat2", "link", "linkat", "mkdir", "mkdirat":
		return p.named(name, args), nil
	case "mmap":
		shared := len(args) > 4 && strings.Contains(args[3], "MAP_SHARED") && strings.Contains(args[2], "PROT_WRITE")
		if shared && p.within(described(args[4])) && !strings.HasSuffix(described(args[4]), "-shm") {
			return nil, fmt.Errorf("%s is written through memory, which the record does not show", described(args[4]))
		}
		return nil, nil
	}
	for _, a := range args { // fallocate, truncate, sendfile and such: nobody uses them on our files
		if p.within(described(a)) || p.within(string(quoted(a))) {
			return nil, fmt.Errorf("%s of a file in the data directory: the model does not know it", name)
		}
	}
	return nil, nil
}

// named reads a call that names files by their paths, absolute ones.
func (p *parser) named(name string, args []string) *op {
	var names []string
	for _, a := range args {
		if strings.HasPrefix(a, `"`) {
			names = append(names, string(quoted(a)))
		}
	}
	if len(names) == 0 || !p.within(names[0]) && !strings.HasPrefix(p.dir, names[0]+"/") {
		return nil
	}
	path := names[0]
	switch name {
	case "open", "openat", "creat":
		flags := strings.Join(args, "|")
		if !strings.Contains(flags, "O_CREAT") && !strings.Contains(flags, "O_TRUNC") && name != "creat" {
			return nil
		}
		return &op{kind: opOpen, path: path, clear: name == "creat" || strings.Contains(flags, "O_TRUNC")}
	case "unlink", "unlinkat":
		return &op{kind: opUnlink, path: path}
	case "mkdir", "mkdirat":
		return &op{kind: opMkdir, path: path}
	}
	if len(names) < 2 {
		return nil
	}
	kind := opLink
	if strings.HasPrefix(name, "rename") {
		kind = opRename
	}
	return &op{kind: kind, path: path, to: names[1]}
}

func only(wanted bool, o *op) *op {
	if wanted {
		return o
	}
	return nil
}

// within tells whether a path is the data directory or a file in it. A file
// without a name any more is none.
func (p *parser) within(path string) bool {
	return path == p.dir || strings.HasPrefix(path, p.dir+"/")
}

// described is what -y tells of a descriptor: its path, or socket:[number].
func described(arg string) string {
	_, rest, ok := strings.Cut(arg, "<")
	if !ok {
		return ""
	}
	text, tail, _ := strings.Cut(rest, ">")
	path := string(unhex(text))
	if strings.HasPrefix(tail, "(deleted)") || strings.HasSuffix(path, " (deleted)") {
		return ""
	}
	return path
}

// quoted is the text of all strings of an argument, one after the other: an
// argument with several is a list of buffers.
func quoted(arg string) (data []byte) {
	if !strings.HasPrefix(arg, `"`) { // buffers in structures
		for _, part := range strings.Split(arg, "iov_base=")[1:] {
			data = append(data, quoted(part)...)
		}
		return data
	}
	text, _, _ := strings.Cut(arg[1:], `"`)
	return unhex(text)
}

// unhex undoes \x61; other text stays as it is.
func unhex(text string) []byte {
	data := make([]byte, 0, len(text)/4)
	for i := 0; i < len(text); i++ {
		if text[i] == '\\' && i+3 < len(text) && text[i+1] == 'x' {
			data = append(data, digit(text[i+2])<<4|digit(text[i+3]))
			i += 3
			continue
		}
		data = append(data, text[i])
	}
	return data
}

func digit(c byte) byte {
	if c >= 'a' {
		return c - 'a' + 10
	}
	return c - '0'
}
