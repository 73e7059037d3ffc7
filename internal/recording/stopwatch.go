package recording

import (
	"os"
	"sync"
	"time"
)

// Operation is a kind of request to the disk.
type Operation string

// The operations of a disk.
const (
	OperationOpen     Operation = "open"     // open or create a file
	OperationRead     Operation = "read"     // read a recording's own file, to save it again
	OperationWrite    Operation = "write"    // write audio or header, set the size
	OperationSync     Operation = "sync"     // make audio durable against a loss of power
	OperationManifest Operation = "manifest" // write the manifest: a new file, synced and renamed
	OperationLook     Operation = "look"     // check that the files are still in their place
	OperationSpace    Operation = "space"    // ask how much room is left
)

// Operations returns all operations, for metrics and documents.
func Operations() []Operation {
	return []Operation{OperationOpen, OperationRead, OperationWrite, OperationSync, OperationManifest, OperationLook, OperationSpace}
}

// Text returns the operation in words, to follow "the disk has not answered for 4 s while".
func (o Operation) Text() string {
	switch o {
	case OperationOpen:
		return "opening a file"
	case OperationRead:
		return "reading the recording"
	case OperationWrite:
		return "writing audio"
	case OperationSync:
		return "syncing audio"
	case OperationManifest:
		return "writing the manifest"
	case OperationLook:
		return "looking for the file"
	case OperationSpace:
		return "looking for free space"
	}
	return string(o)
}

// stopwatch knows the running operations of a disk and when they began, on the monotonic clock. Its methods may be
// called from any goroutine and allocate nothing.
type stopwatch struct {
	mu    sync.Mutex
	slots [16]struct {
		operation Operation // empty if free
		began     time.Time
	}
}

// begin records that an operation begins, and returns the argument of end; -1 if so many already hang that one more
// changes nothing.
func (s *stopwatch) begin(o Operation) int {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.slots {
		if s.slots[i].operation == "" {
			s.slots[i].operation, s.slots[i].began = o, now
			return i
		}
	}
	return -1
}

func (s *stopwatch) end(slot int) {
	if slot < 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.slots[slot].operation = ""
}

// longest returns the operation that has taken the longest so far, and its duration; "" and 0 if there is none.
func (s *stopwatch) longest() (o Operation, since time.Duration) {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.slots {
		if s.slots[i].operation == "" {
			continue
		}
		if took := now.Sub(s.slots[i].began); o == "" || took > since {
			o, since = s.slots[i].operation, took
		}
	}
	return o, since
}

// timedDisk is a Disk whose operations are timed.
type timedDisk struct {
	disk  Disk
	watch *stopwatch
}

// OpenFile implements Disk.
func (d timedDisk) OpenFile(path string, flag int) (File, error) {
	defer d.watch.end(d.watch.begin(OperationOpen))
	f, err := d.disk.OpenFile(path, flag)
	if err != nil {
		return nil, err
	}
	return &timedFile{file: f, watch: d.watch}, nil
}

// Replace implements Disk.
func (d timedDisk) Replace(path string, data []byte) error {
	defer d.watch.end(d.watch.begin(OperationManifest))
	return d.disk.Replace(path, data)
}

// Space implements Disk.
func (d timedDisk) Space(dir string) (Space, error) {
	defer d.watch.end(d.watch.begin(OperationSpace))
	return d.disk.Space(dir)
}

// Stat implements Disk.
func (d timedDisk) Stat(path string) (os.FileInfo, error) {
	defer d.watch.end(d.watch.begin(OperationLook))
	return d.disk.Stat(path)
}

// MakeFolder implements Disk.
func (d timedDisk) MakeFolder(path string) error {
	defer d.watch.end(d.watch.begin(OperationOpen))
	return d.disk.MakeFolder(path)
}

// SyncFolder implements Disk.
func (d timedDisk) SyncFolder(path string) error {
	defer d.watch.end(d.watch.begin(OperationSync))
	return d.disk.SyncFolder(path)
}

// timedFile is a File whose operations are timed.
type timedFile struct {
	file  File
	watch *stopwatch
}

// ReadAt implements File.
func (f *timedFile) ReadAt(p []byte, off int64) (int, error) {
	defer f.watch.end(f.watch.begin(OperationRead))
	return f.file.ReadAt(p, off)
}

// WriteAt implements File.
func (f *timedFile) WriteAt(p []byte, off int64) (int, error) {
	defer f.watch.end(f.watch.begin(OperationWrite))
	return f.file.WriteAt(p, off)
}

// Truncate implements File.
func (f *timedFile) Truncate(size int64) error {
	defer f.watch.end(f.watch.begin(OperationWrite))
	return f.file.Truncate(size)
}

// Sync implements File.
func (f *timedFile) Sync() error {
	defer f.watch.end(f.watch.begin(OperationSync))
	return f.file.Sync()
}

// Size implements File.
func (f *timedFile) Size() (int64, error) {
	defer f.watch.end(f.watch.begin(OperationWrite))
	return f.file.Size()
}

// Stat implements File.
func (f *timedFile) Stat() (os.FileInfo, error) {
	defer f.watch.end(f.watch.begin(OperationLook))
	return f.file.Stat()
}

// Close implements File.
func (f *timedFile) Close() error {
	defer f.watch.end(f.watch.begin(OperationWrite))
	return f.file.Close()
}
