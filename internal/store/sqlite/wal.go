package sqlite

import (
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"os"
)

// Layout of the log: https://www.sqlite.org/fileformat2.html, 4.1.
const (
	walHeader   = 32
	walSalt     = 16 // where the salt is in the header, 8 bytes
	frameHeader = 24
	frameSalt   = 8 // where the salt is in the header of a frame
)

// logMark is a position in SQLite's log: behind its last commit. Its salt is another one after the log was begun again.
type logMark struct {
	salt [8]byte
	end  int64
}

// walFrame is the header of a frame of the log.
type walFrame struct {
	page int64
	// commit is true for the last frame of a transaction, end is where the frame ends.
	commit bool
	end    int64
}

// walFrames calls see for each frame of the log of the database at path from an offset on; from gets the salt of the log. Where there is no log
// it calls nothing.
func walFrames(path string, from func(salt [8]byte) int64, see func(walFrame)) error {
	file, err := os.Open(path + walSuffix)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }() // only read
	var header [walHeader]byte
	if _, err := io.ReadFull(file, header[:]); errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil
	} else if err != nil {
		return err
	}
	pageSize, salt := int64(binary.BigEndian.Uint32(header[8:])), [8]byte(header[walSalt:])
	for at := from(salt); ; {
		var frame [frameHeader]byte
		if _, err := file.ReadAt(frame[:], at); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if [8]byte(frame[frameSalt:]) != salt { // left by a log before
			return nil
		}
		at += frameHeader + pageSize
		see(walFrame{page: int64(binary.BigEndian.Uint32(frame[:])), commit: binary.BigEndian.Uint32(frame[4:]) != 0, end: at})
	}
}

// markLog returns the end of the log. Nobody may be writing.
func markLog(path string) (logMark, error) {
	mark := logMark{end: walHeader}
	err := walFrames(path, func(salt [8]byte) int64 {
		mark.salt = salt
		return walHeader
	}, func(f walFrame) {
		if f.commit {
			mark.end = f.end
		}
	})
	return mark, err
}

// pagesSince returns the pages that were written to the log since the mark, some perhaps more than once. A reader must hold the state of
// the mark, or a later one: the log is then begun again at most once, with the next commit, if all of it was in the file by then.
func pagesSince(path string, mark logMark) ([]int64, error) {
	var pages []int64
	err := walFrames(path, func(salt [8]byte) int64 {
		if salt == mark.salt {
			return mark.end
		}
		return walHeader
	}, func(f walFrame) { pages = append(pages, f.page) })
	return pages, err
}
