package sqlite

import (
	"runtime"
	"sync"
	"unsafe"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

// lockBytes are where SQLite locks a file; no data lies on their page
// (https://sqlite.org/fileformat2.html#the_lock_byte_page).
const lockBytes = 1 << 30

// preparePageCache spares commits a walk over the page cache. SQLite exchanges the
// numbers of two pages by way of a third that no page has: that of the lock bytes. Its
// cache takes this for the largest number it ever held, so that the commit, which drops
// what lies beyond the end of the file, looks at every page for it. With a method of the
// cache replaced by one that forgets that number again, a commit costs what it changed.
//
// Another user of SQLite in the process may have begun before, or brought a cache of its
// own: all stays as it is then. SQLite's configuration is not made for being changed by
// two at a time: the first Open must not run beside another first use of SQLite.
//
// The method is returned to be kept: the collector does not see it in SQLite's hands.
var preparePageCache = sync.OnceValue(func() pageRenumberer {
	tls := libc.NewTLS()
	defer tls.Close()
	const room = 128 // of methods
	const _ = uint(room - unsafe.Sizeof(sqlite3.Tsqlite3_pcache_methods2{}))
	memory := libc.Xcalloc(tls, 1, room+2*vaSlot)
	if memory == 0 {
		return nil
	}
	defer libc.Xfree(tls, memory) // SQLite copies them
	methods, list := (*sqlite3.Tsqlite3_pcache_methods2)(pointer(memory)), memory+room
	if sqlite3.Xsqlite3_config(tls, sqlite3.SQLITE_CONFIG_GETPCACHE2, libc.VaList(list, memory)) != sqlite3.SQLITE_OK {
		return nil
	}
	if methods.FxRekey == 0 || runtime.FuncForPC(*(*uintptr)(pointer(methods.FxRekey))).Name() != ownRenumberer {
		return nil
	}
	renumber := *(*pageRenumberer)(unsafe.Pointer(&struct{ uintptr }{methods.FxRekey}))
	var quiet pageRenumberer = func(tls *libc.TLS, cache, page uintptr, from, to uint32) {
		c := (*sqlite3.TPCache1)(pointer(cache))
		largest := c.FiMaxKey
		renumber(tls, cache, page, from, to)
		if to == lockBytes/uint32(c.FszPage)+1 { // for a moment
			c.FiMaxKey = largest
		}
	}
	methods.FxRekey = *(*uintptr)(unsafe.Pointer(&quiet))
	sqlite3.Xsqlite3_config(tls, sqlite3.SQLITE_CONFIG_PCACHE2, libc.VaList(list, memory))
	return quiet
})

// ownRenumberer is the method of SQLite's own cache, whose caches are a TPCache1.
const ownRenumberer = "modernc.org/sqlite/lib._pcache1Rekey"

// pageRenumberer is xRekey of https://sqlite.org/c3ref/pcache_methods2.html.
type pageRenumberer func(tls *libc.TLS, cache, page uintptr, from, to uint32)
