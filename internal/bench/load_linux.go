package bench

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"syscall"
	"time"
)

// answerWait is how long the load waits for any answer at all.
const answerWait = time.Minute

// closedLoop is the load of the scenarios that measure a rate. It shares the
// machine with what it measures, so that it does what wrk does and no more: one
// thread, an epoll of all connections, one write of prepared bytes and one read
// for each request.
func closedLoop(to target, conns int, r request, stop func(begun int64) bool) (load, error) {
	runtime.LockOSThread() // its CPU time is that of the load
	defer runtime.UnlockOSThread()
	before, err := threadCPU()
	if err != nil {
		return load{}, err
	}
	epoll, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return load{}, os.NewSyscallError("epoll_create1", err)
	}
	defer syscall.Close(epoll)
	l := &epollLoop{epoll: epoll, request: to.prepare(nil, "POST", r.path, r.body), stop: stop}
	defer func() {
		for _, c := range l.clients {
			syscall.Close(c.fd)
		}
	}()
	for range conns {
		if err := l.connect(to.addr); err != nil {
			return load{}, err
		}
	}
	err = l.run()
	after, cpuErr := threadCPU()
	return load{requests: int64(len(l.samples)), latency: Summarise(l.samples), cpu: after - before}, errors.Join(err, cpuErr)
}

// threadCPU is what the calling thread used so far.
func threadCPU() (time.Duration, error) {
	const thread = 1 // RUSAGE_THREAD
	var u syscall.Rusage
	if err := syscall.Getrusage(thread, &u); err != nil {
		return 0, os.NewSyscallError("getrusage", err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), nil
}

// epollLoop publishes on many connections from one thread.
type epollLoop struct {
	epoll   int
	request []byte
	stop    func(begun int64) bool
	begun   int64
	open    int // connections that still publish
	clients []*client
	paused  []*client // told to come again, the earliest first
	samples []time.Duration
}

// client is one connection.
type client struct {
	fd      int
	began   time.Time // of its request; with a pause, when that began
	unsent  []byte
	in      []byte
	have    int
	writing bool // epoll tells when it can take more
}

func (l *epollLoop) connect(addr string) error {
	to, err := netip.ParseAddrPort(addr)
	if err != nil {
		return err
	}
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	c := &client{fd: fd, in: make([]byte, 4<<10)}
	l.clients = append(l.clients, c)
	if err := syscall.Connect(fd, &syscall.SockaddrInet4{Port: int(to.Port()), Addr: to.Addr().As4()}); err != nil {
		return os.NewSyscallError("connect", err)
	}
	if err := syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 1); err != nil {
		return os.NewSyscallError("setsockopt", err)
	}
	if err := syscall.SetNonblock(fd, true); err != nil {
		return os.NewSyscallError("fcntl", err)
	}
	return l.control(syscall.EPOLL_CTL_ADD, len(l.clients)-1, syscall.EPOLLIN)
}

// control tells epoll what to look for. The event carries the client's index.
func (l *epollLoop) control(op, i int, events uint32) error {
	e := syscall.EpollEvent{Events: events, Fd: int32(i)}
	return os.NewSyscallError("epoll_ctl", syscall.EpollCtl(l.epoll, op, l.clients[i].fd, &e))
}

func (l *epollLoop) run() error {
	for i := range l.clients {
		l.open++
		if err := l.begin(i); err != nil {
			return err
		}
	}
	events := make([]syscall.EpollEvent, max(len(l.clients), 1))
	last := time.Now()
	for l.open > 0 {
		wait := time.Second
		if len(l.paused) > 0 {
			wait = max(publishPause-time.Since(l.paused[0].began), 0)
		}
		n, err := syscall.EpollWait(l.epoll, events, int((wait+time.Millisecond-1)/time.Millisecond))
		switch {
		case err == syscall.EINTR:
			continue
		case err != nil:
			return os.NewSyscallError("epoll_wait", err)
		case n > 0:
			last = time.Now()
		case len(l.paused) == 0 && time.Since(last) > answerWait:
			return fmt.Errorf("no answer for %v", answerWait)
		}
		for _, e := range events[:n] {
			if err := l.ready(int(e.Fd), e.Events); err != nil {
				return err
			}
		}
		for len(l.paused) > 0 && time.Since(l.paused[0].began) >= publishPause {
			c := l.paused[0]
			l.paused = l.paused[1:]
			if err := l.begin(slices.Index(l.clients, c)); err != nil {
				return err
			}
		}
	}
	return nil
}

// begin sends a client's next request, unless it is time to stop.
func (l *epollLoop) begin(i int) error {
	l.begun++
	if l.stop(l.begun) {
		l.open--
		return nil
	}
	c := l.clients[i]
	c.began, c.unsent, c.have = time.Now(), l.request, 0
	return l.write(i)
}

// write sends as much as the connection takes.
func (l *epollLoop) write(i int) error {
	c := l.clients[i]
	n, err := syscall.Write(c.fd, c.unsent)
	switch {
	case err == syscall.EAGAIN || err == syscall.EINTR:
		n = 0
	case err != nil:
		return os.NewSyscallError("write", err)
	}
	c.unsent = c.unsent[n:]
	if full := len(c.unsent) > 0; full != c.writing {
		c.writing = full
		events := uint32(syscall.EPOLLIN)
		if full {
			events |= syscall.EPOLLOUT
		}
		return l.control(syscall.EPOLL_CTL_MOD, i, events)
	}
	return nil
}

// ready goes on with a client that epoll named.
func (l *epollLoop) ready(i int, events uint32) error {
	c := l.clients[i]
	if c.writing && events&syscall.EPOLLOUT != 0 {
		if err := l.write(i); err != nil {
			return err
		}
	}
	if events&^syscall.EPOLLOUT == 0 {
		return nil
	}
	if c.have == len(c.in) {
		c.in = slices.Grow(c.in, len(c.in))[:2*len(c.in)]
	}
	n, err := syscall.Read(c.fd, c.in[c.have:])
	switch {
	case err == syscall.EAGAIN || err == syscall.EINTR:
		return nil
	case err != nil:
		return os.NewSyscallError("read", err)
	case n == 0:
		return errors.New("the server closed a connection")
	}
	c.have += n
	return l.answered(i)
}

// answered looks at what a client has of its answer.
func (l *epollLoop) answered(i int) error {
	c := l.clients[i]
	a, err := parseAnswer(c.in[:c.have])
	switch {
	case err != nil:
		return err
	case !a.whole:
		return nil
	case busy(a.status):
		c.began = time.Now()
		l.paused = append(l.paused, c)
		return nil
	case !accepted(a.status):
		return fmt.Errorf("publish answered %d: %s", a.status, bytes.TrimSpace(a.body))
	}
	l.samples = append(l.samples, time.Since(c.began))
	return l.begin(i)
}
