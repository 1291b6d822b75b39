package sqlite

import (
	"errors"
	"time"

	"golang.org/x/sys/unix"
	sqlite3 "modernc.org/sqlite/lib"
)

// writeOutPiece is as much of the file as PostgreSQL has written at once in its
// checkpoints (checkpoint_flush_after, in its documentation of the WAL's settings).
const writeOutPiece = 256 << 10

// writeOut has the system write to the disk what it keeps of the database file, by
// sync_file_range(2): piece by piece, with a rest after each. It makes nothing
// durable; it only leaves little to a sync that follows. A disk that fails is told
// here instead of by that sync, and only once, so that an error means the same.
func (h *handle) writeOut(rest func(time.Duration)) error {
	file, err := h.file()
	if err != nil {
		return err
	}
	fd := int((*sqlite3.TunixFile)(pointer(file)).Fh)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil // the sync tells
	}
	for at := int64(0); at < st.Size; at += writeOutPiece {
		began := time.Now()
		err := unix.SyncFileRange(fd, at, writeOutPiece, unix.SYNC_FILE_RANGE_WRITE|unix.SYNC_FILE_RANGE_WAIT_AFTER)
		if cannotWriteOut(err) {
			return nil // the sync does it all
		}
		if err != nil {
			return &resultError{sqlite3.SQLITE_IOERR_FSYNC, "write out: " + err.Error()}
		}
		if took := time.Since(began); took >= writeOutNoted {
			rest(took)
		}
	}
	return nil
}

// cannotWriteOut tells an error of the call, which changed nothing, from one of the
// disk, which can be any that a driver or file system knows and is told only once.
func cannotWriteOut(err error) bool {
	return errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ESPIPE) ||
		errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EPERM)
}

// writeOutNoted tells a piece that was written from one that had nothing to write.
const writeOutNoted = 50 * time.Microsecond
