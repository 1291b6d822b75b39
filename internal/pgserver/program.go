//go:build linux

package pgserver

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// Installed lists the folders of the PostgreSQL programs on this machine, the
// newest version first: Debian's, then that of pg_config. It is empty if there
// is no server.
func Installed() []string {
	dirs, _ := filepath.Glob("/usr/lib/postgresql/*/bin") // the pattern is correct
	slices.SortFunc(dirs, func(a, b string) int { return version(b) - version(a) })
	if out, err := exec.Command("pg_config", "--bindir").Output(); err == nil {
		if dir := strings.TrimSpace(string(out)); !slices.Contains(dirs, dir) {
			dirs = append(dirs, dir)
		}
	}
	return slices.DeleteFunc(dirs, func(dir string) bool {
		_, err := os.Stat(filepath.Join(dir, "postgres"))
		return err != nil
	})
}

// version is the number in Debian's path of a version's programs.
func version(dir string) int {
	n, _ := strconv.Atoi(filepath.Base(filepath.Dir(dir))) // 0, the oldest, for other paths
	return n
}

// owner is the user that the servers run as: PostgreSQL and PgBouncer refuse
// to run as root. It is nil for the user of this process.
func owner() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
		gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
		if err := errors.Join(err1, err2); err != nil {
			return nil, fmt.Errorf("user %s: %w", name, err)
		}
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
	}
	return nil, errors.New("root may not run PostgreSQL, and there is neither a user postgres nor nobody")
}

// chown gives a file to the user that the servers run as.
func chown(path string) error {
	who, err := owner()
	if err != nil || who == nil {
		return err
	}
	return os.Chown(path, int(who.Uid), int(who.Gid))
}

// Process is a program that was started.
type Process struct {
	*os.Process
	done chan struct{}
}

// Done is closed when the process has ended. How it ended is in its log.
func (p *Process) Done() <-chan struct{} { return p.done }

// Launch starts a program in a folder as the user of the servers; what it writes goes
// to the end of a file.
func Launch(dir, log, program string, args ...string) (*Process, error) {
	cmd, err := command(dir, program, args...)
	if err != nil {
		return nil, err
	}
	out, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &Process{cmd.Process, make(chan struct{})}
	go func() {
		defer close(p.done)
		_ = cmd.Wait()
	}()
	return p, nil
}

// command is a program that runs in a folder as the user of the servers, in a
// session of its own so that a Ctrl-C reaches this process only.
func command(dir, program string, args ...string) (*exec.Cmd, error) {
	who, err := owner()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(program, args...)
	cmd.Dir = dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "TZ=UTC", "HOME=" + dir}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: who, Setsid: true}
	return cmd, nil
}

// run runs a program to its end; an error has what it wrote.
func run(dir, program string, args ...string) error {
	cmd, err := command(dir, program, args...)
	if err != nil {
		return err
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", filepath.Base(program), err, out)
	}
	return nil
}

// FreePort finds a loopback port that nothing listens on. It lies below the
// ports that the kernel gives to outgoing connections: a client that dials a
// stopped server there again and again would some day be connected to itself,
// and the server could not have its port back.
func FreePort() (int, error) {
	var last error
	for range 100 {
		port := 20000 + rand.IntN(12000)
		l, err := net.Listen("tcp", Address(port))
		if err == nil {
			return port, l.Close()
		}
		last = err
	}
	return 0, fmt.Errorf("no free port: %w", last)
}

// Address is the host and port of a server on this machine.
func Address(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
