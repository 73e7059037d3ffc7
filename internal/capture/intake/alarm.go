package intake

import (
	"errors"
	"os"
)

// Alarm rings the bell of a queue when the callback in C says so: the callback ends with one non-blocking write, a
// goroutine reads.
type Alarm struct {
	read, write *os.File
	ended       chan struct{}
}

// NewAlarm makes the callback that fills q wake whoever listens to q. The caller closes it after the callback was
// called for the last time.
func NewAlarm(q *Queue) (*Alarm, error) {
	read, write, err := wakePipe()
	if err != nil {
		return nil, err
	}
	connection, err := write.SyscallConn()
	if err == nil {
		err = connection.Control(func(fd uintptr) { q.wakeFD = int64(fd) })
	}
	a := &Alarm{read: read, write: write, ended: make(chan struct{})}
	if err != nil {
		close(a.ended)
		return nil, errors.Join(err, a.Close())
	}
	go a.run(q) // ends by Close, which waits for it
	return a, nil
}

// run rings for each write, and once for several that came together.
func (a *Alarm) run(q *Queue) {
	defer close(a.ended)
	var said [64]byte
	for {
		if _, err := a.read.Read(said[:]); err != nil {
			return // closed
		}
		q.news.Ring()
	}
}

// Close ends the alarm and waits for its goroutine. It is called once.
func (a *Alarm) Close() error {
	err := a.read.Close()
	if a.write != a.read {
		err = errors.Join(err, a.write.Close())
	}
	<-a.ended
	return err
}
