package model

import "time"

// Progress is how far a pull is.
type Progress struct {
	// File is the path of the file being fetched.
	File string
	// Number is the place of that file among the Files of the model, from 1.
	Number, Files int
	// DoneBytes and TotalBytes are for the whole model. The total is the publisher's figure until the server has given
	// the length. DoneBytes begins with what an earlier pull left, and can fall when a file must be downloaded again.
	DoneBytes, TotalBytes int64
	// BytesPerSecond is the mean over this pull, without the bytes that were there before.
	BytesPerSecond float64
	Elapsed        time.Duration
}

// progressInterval is how often a pull reports: often enough for a smooth bar.
const progressInterval = 100 * time.Millisecond

// meter adds up the progress of one pull. It is used by one goroutine.
type meter struct {
	report        func(Progress)
	now           func() time.Time
	started, last time.Time
	done, total   map[string]int64
	numbers       map[string]int
	moved         int64
}

func newMeter(files []File, now func() time.Time, report func(Progress)) *meter {
	m := &meter{report: report, now: now, started: now(), done: map[string]int64{}, total: map[string]int64{}, numbers: map[string]int{}}
	for i, f := range files {
		m.numbers[f.Path] = i + 1
		m.total[f.Path] = f.SizeBytes
	}
	return m
}

// at records how many bytes of a file are there, and how many of them came now.
func (m *meter) at(file string, done, moved int64) {
	m.done[file] = done
	m.moved += moved
	if now := m.now(); m.report != nil && now.Sub(m.last) >= progressInterval {
		m.last = now
		m.tell(file, now)
	}
}

// expect corrects the length of a file.
func (m *meter) expect(file string, total int64) { m.total[file] = total }

// finished records that a file is complete.
func (m *meter) finished(file string, size int64) {
	m.done[file], m.total[file] = size, size
	if m.report != nil {
		m.tell(file, m.now())
	}
}

func (m *meter) tell(file string, now time.Time) {
	p := Progress{File: file, Number: m.numbers[file], Files: len(m.numbers), Elapsed: now.Sub(m.started)}
	for path := range m.total {
		p.DoneBytes += m.done[path]
		p.TotalBytes += max(m.total[path], m.done[path])
	}
	if seconds := p.Elapsed.Seconds(); seconds > 0 {
		p.BytesPerSecond = float64(m.moved) / seconds
	}
	m.report(p)
}
