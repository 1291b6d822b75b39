//go:build linux

package powerloss

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// hex is a string as strace -xx writes it.
func hex(s string) string {
	var b strings.Builder
	for i := range len(s) {
		fmt.Fprintf(&b, `\x%02x`, s[i])
	}
	return b.String()
}

// What strace writes of several threads, of short writes, of errors and of a
// process that is killed.
func TestReadTrace(t *testing.T) {
	t.Parallel()
	fd := func(n int, path string) string { return fmt.Sprintf("%d<%s>", n, hex(path)) }
	lines := []string{
		`1 mkdir("` + hex("/d") + `", 0700) = 0`,
		`1 openat(AT_FDCWD<` + hex("/") + `>, "` + hex("/d/f") + `", O_RDWR|O_CREAT|O_CLOEXEC, 0600) = ` + fd(3, "/d/f"),
		`1 openat(AT_FDCWD<` + hex("/") + `>, "` + hex("/d/none") + `", O_RDWR|O_CREAT) = -1 EACCES (Permission denied)`,
		`2 pwrite64(` + fd(3, "/d/f") + `, "` + hex("abcd") + `", 4, 8 <unfinished ...>`,
		`1 fsync(` + fd(3, "/d/f") + `) = 0`,
		`1 --- SIGURG {si_signo=SIGURG} ---`,
		`2 <... pwrite64 resumed>) = 3`,
		`1 pwritev(` + fd(3, "/d/f") + `, [{iov_base="` + hex("x,)") + `", iov_len=3}, {iov_base="` + hex("y") + `", iov_len=1}], 2, 0) = 4`,
		`1 write(` + fd(4, "socket:[7]") + `, "` + hex("HTTP/1.1 202 Accepted") + `", 21) = 21`,
		`1 write(` + fd(5, "/elsewhere") + `, "` + hex("no") + `", 2) = 2`,
		`1 rename("` + hex("/d/f") + `", "` + hex("/d/g") + `") = 0`,
		`2 ftruncate(` + fd(3, "/d/g") + `, 2) = ?`,
		`3 unlink("` + hex("/d/g") + `" <detached ...>`,
		`4 ???( <detached ...>`,
		`1 +++ killed by SIGKILL +++`,
		`1 pwrite64(` + fd(3, "/d/g") + `, "` + hex("ab"), // cut off with strace itself
	}
	file := filepath.Join(t.TempDir(), "trace")
	if err := os.WriteFile(file, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	ops, places, err := readTrace(file, "/d", 100, false)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, o := range ops {
		end := fmt.Sprint(o.end)
		if o.end == never {
			end = "never"
		}
		got = append(got, strings.Join(strings.Fields(fmt.Sprintf("%d %s %s %d %d %s %d-%s", o.kind, o.path, o.to, o.off, o.size, o.data, o.begin, end)), " "))
	}
	want := []string{
		fmt.Sprintf("%d /d 0 0 100-100", opMkdir),
		fmt.Sprintf("%d /d/f 0 0 101-101", opOpen),
		fmt.Sprintf("%d /d/f 8 0 abc 103-106", opWrite),
		fmt.Sprintf("%d /d/f 0 0 104-104", opSync),
		fmt.Sprintf("%d /d/f 0 0 x,)y 107-107", opWrite),
		fmt.Sprintf("%d socket:[7] 0 0 HTTP/1.1 202 Accepted 108-108", opSend),
		fmt.Sprintf("%d /d/f /d/g 0 0 110-110", opRename),
		fmt.Sprintf("%d /d/g 0 2 111-never", opTruncate),
		fmt.Sprintf("%d /d/g 0 0 112-never", opUnlink),
	}
	if !slices.Equal(got, want) || places != 115 {
		t.Errorf("%d places\ngot  %s\nwant %s", places, strings.Join(got, "\n     "), strings.Join(want, "\n     "))
	}
	for _, bad := range []string{
		`1 mmap(NULL, 4096, PROT_READ|PROT_WRITE, MAP_SHARED, ` + fd(3, "/d/f") + `, 0) = 0x7f`,
		`1 fallocate(` + fd(3, "/d/f") + `, 0, 0, 4096) = 0`,
		`1 write(` + fd(3, "/d/f") + `, "` + hex("ab") + `"..., 9) = 9`,
		`1 <... write resumed>) = 3`,
	} {
		if err := os.WriteFile(file, []byte(bad+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, _, err := readTrace(file, "/d", 0, false); err == nil {
			t.Errorf("%.80s is taken", bad)
		}
	}
}

// What is synced stays, in all images; of the rest each rule leaves what it may.
func TestImages(t *testing.T) {
	t.Parallel()
	place := 0
	next := func(o op) *op { o.begin, o.end = place, place; place++; return &o }
	ops := []*op{
		next(op{kind: opOpen, path: "/d/f"}),
		next(op{kind: opWrite, path: "/d/f", data: []byte(strings.Repeat("a", 1024))}),
		next(op{kind: opSync, path: "/d/f"}),
		next(op{kind: opSync, path: "/d"}),
		next(op{kind: opWrite, path: "/d/f", data: []byte(strings.Repeat("b", 1024))}),
		next(op{kind: opWrite, path: "/d/f", data: []byte(strings.Repeat("c", 1536)), off: 512}),
		next(op{kind: opOpen, path: "/d/g"}),
		next(op{kind: opWrite, path: "/d/g", data: []byte("g")}),
		next(op{kind: opSync, path: "/d/g"}),
		next(op{kind: opOpen, path: "/d/h"}),
		next(op{kind: opUnlink, path: "/d/f"}),
	}
	cut := func(to int, l loss, seed uint64) map[string][]byte {
		d := newDisk("/d", ops)
		d.play(to)
		return d.image(l, rand.New(rand.NewPCG(seed, 0)))
	}
	sizes := map[string]map[int]bool{}
	torn := 0
	for seed := range uint64(200) {
		for _, what := range losses {
			for _, strict := range []bool{true, false} {
				image := cut(6, loss{strict, what}, seed)
				f := image["/d/f"]
				if len(f) < 1024 || strings.Trim(string(f[:1024]), "abc") != "" {
					t.Fatalf("%s: %d bytes %q", what, len(f), f)
				}
				if sizes[what] == nil {
					sizes[what] = map[int]bool{}
				}
				sizes[what][len(f)] = true
				if f[0] == 'a' && f[512] == 'b' || f[0] == 'b' && f[512] == 'a' {
					torn++ // the first write went to one of its sectors only
				}
				image = cut(len(ops), loss{strict, what}, seed)
				if _, ok := image["/d/g"]; !ok && !strict {
					t.Fatalf("%s: a journal loses a file that was synced", what)
				}
				if _, ok := image["/d/f"]; !ok && what == "none" {
					t.Fatal("what was removed without a sync is gone")
				}
			}
		}
	}
	if torn == 0 || len(sizes["none"]) != 1 || len(sizes["all"]) != 1 || !sizes["all"][2048] || len(sizes["some"]) != 2 || len(sizes["sectors"]) != 2 {
		t.Errorf("%d torn writes, sizes %v", torn, sizes)
	}
	if _, ok := cut(len(ops), loss{true, "none"}, 1)["/d/g"]; ok {
		t.Error("strict: a name is there before its directory was synced")
	}
}
