package intake

import (
	"errors"
	"os"
)

// Alarm rings the bell of a queue for the callback in C: the callback ends with one non-blocking write, and a goroutine
// reads it.
type Alarm struct {
	read, write *os.File
	ended       chan struct{}
}

// NewAlarm connects the callback that fills q with the listeners of q. The caller closes the alarm after the last call
// of the callback.
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

// run rings for each write, or once for several at the same time.
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
