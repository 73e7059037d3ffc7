package service

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/bench"
	"github.com/scout-speech/scout/internal/resilience"
)

const (
	// longClip is a file whose answer is larger than what the system keeps for a reader that reads nothing.
	longClip = 2 * time.Minute
	// vanishEvery is how often a client that vanishes comes again.
	vanishEvery = 2 * time.Second
	// freedWithin is how long the daemon may take to give back what slow clients held.
	freedWithin = time.Minute
	// slowJobs is how many jobs are measured with nothing beside them.
	slowJobs = 4
)

// slow measures what other clients notice of those that are slow or vanish.
func slow(ctx context.Context, o Options, into *bench.Service) error {
	return in(ctx, o, func(h *house) error {
		s := &slowly{house: h, clips: newClips(o.Speech)}
		found, err := s.measure(ctx)
		if err == nil {
			into.Slow = found
		}
		return err
	})
}

type slowly struct {
	*house
	clips  *clips
	long   string // a recording that is large
	errors tally
	came   tally // the clients that are slow or vanish
}

func (s *slowly) measure(ctx context.Context) (*bench.ServiceSlow, error) {
	key, err := s.key(ctx, "other", false)
	if err != nil {
		return nil, err
	}
	other := s.client(key)
	defer other.close()
	made, _, err := s.owner.insist(ctx, s.clips.cut(longClip))
	if err != nil {
		return nil, err
	}
	s.long = made.RecordingID
	if _, err := s.owner.follow(ctx, made.ID); err != nil {
		return nil, err
	}
	found := &bench.ServiceSlow{}
	for n := range slowJobs {
		s.tell("slow: job %d of %d alone", n+1, slowJobs)
		took, err := other.whole(ctx, s.clips.cut(clipLength))
		if err != nil {
			return nil, err
		}
		found.JobAlone = append(found.JobAlone, took)
	}
	if found.Before, err = s.holds(ctx); err != nil {
		return nil, err
	}
	all, end := context.WithTimeout(ctx, s.Time)
	defer end()
	var wait sync.WaitGroup
	for _, kind := range []func(context.Context) error{s.readsNothing, s.dribbles, s.leavesUpload, s.leavesEvents} {
		for range max(1, s.Connections/4) {
			wait.Go(func() { s.comesAgain(all, kind) }) // until the time is over
		}
	}
	var gets times
	wait.Go(func() { s.reads(all, &gets, &s.errors) })
	s.tell("slow: a whole job, again and again, beside clients that are slow or vanish")
	for all.Err() == nil {
		took, err := other.whole(ctx, s.clips.cut(clipLength)) // one that has begun is measured
		if err != nil {
			s.errors.failed(ctx, err)
			break
		}
		found.Job = append(found.Job, took)
		if during, err := s.holds(ctx); err == nil && during.Goroutines > found.During.Goroutines {
			found.During = during
		}
	}
	wait.Wait()
	found.Clients, found.Gets, found.Errors = s.came.all(), gets.list(), s.errors.all()
	return found, s.freed(ctx, found)
}

// freed waits until the daemon holds no more than before, or for as long as it may take.
func (s *slowly) freed(ctx context.Context, found *bench.ServiceSlow) (err error) {
	s.tell("slow: all of them are gone")
	for began := time.Now(); ; {
		if found.After, err = s.holds(ctx); err != nil {
			return err
		}
		a, b := found.After, found.Before
		if a.Goroutines <= b.Goroutines && a.Files <= b.Files && a.PSS <= b.PSS || time.Since(began) > freedWithin {
			return nil
		}
		if err := resilience.Sleep(ctx, time.Second); err != nil {
			return err
		}
	}
}

// comesAgain is a client of one kind, until ctx ends.
func (s *slowly) comesAgain(ctx context.Context, kind func(context.Context) error) {
	for ctx.Err() == nil {
		if err := kind(ctx); err != nil && ctx.Err() == nil {
			s.came.add("turned away (" + broken(err) + ")") // it costs itself
		}
		_ = resilience.Sleep(ctx, vanishEvery) // the loop sees the end of ctx
	}
}

// connect opens a connection and sends the beginning of a request.
func (s *slowly) connect(ctx context.Context, request string) (*net.TCPConn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", s.address())
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	tcp, is := conn.(*net.TCPConn)
	if !is {
		return nil, scout.Errorf(scout.CodeInternal, "the connection is not of TCP")
	}
	_ = tcp.SetReadBuffer(4 << 10) // a smaller one only makes the daemon wait sooner
	head, body, _ := strings.Cut(request, "\n\n")
	head = strings.ReplaceAll(head, "\n", "\r\n") + "\r\nHost: " + s.address() + "\r\nAuthorization: Bearer " + s.owner.key + "\r\n\r\n"
	if _, err := tcp.Write([]byte(head + body)); err != nil {
		_ = tcp.Close() // it is broken
		return nil, fmt.Errorf("send: %w", err)
	}
	return tcp, nil
}

// vanish ends a connection without a word: the other side finds out when it sends.
func vanish(conn *net.TCPConn) {
	_ = conn.SetLinger(0) // it may be broken
	_ = conn.Close()      // likewise
}

// readsNothing asks for a large file and reads nothing of it.
func (s *slowly) readsNothing(ctx context.Context) error {
	conn, err := s.connect(ctx, "GET "+api+"/recordings/"+s.long+"/audio HTTP/1.1")
	if err != nil {
		return err
	}
	s.came.add("read nothing")
	defer vanish(conn)
	<-ctx.Done()
	return nil
}

// dribbles sends a form, a byte a second.
func (s *slowly) dribbles(ctx context.Context) error {
	kind, body := form(s.clips.cut(clipLength))
	conn, err := s.connect(ctx, fmt.Sprintf("POST %s/jobs HTTP/1.1\nContent-Type: %s\nContent-Length: %d", api, kind, len(body)))
	if err != nil {
		return err
	}
	s.came.add("send a byte a second")
	defer vanish(conn)
	for at := 0; at < len(body); at++ {
		if _, err := conn.Write(body[at : at+1]); err != nil {
			break // the daemon may lose its patience
		}
		if resilience.Sleep(ctx, time.Second) != nil {
			return nil
		}
	}
	return nil
}

// leavesUpload vanishes in the middle of a form.
func (s *slowly) leavesUpload(ctx context.Context) error {
	kind, body := form(s.clips.cut(clipLength))
	conn, err := s.connect(ctx, fmt.Sprintf("POST %s/jobs HTTP/1.1\nContent-Type: %s\nContent-Length: %d\n\n%s", api, kind, len(body), body[:len(body)/2]))
	if err != nil {
		return err
	}
	s.came.add("vanish in the middle of an upload")
	vanish(conn)
	return nil
}

// leavesEvents vanishes while it follows the events.
func (s *slowly) leavesEvents(ctx context.Context) error {
	conn, err := s.connect(ctx, "GET "+api+"/events HTTP/1.1")
	if err != nil {
		return err
	}
	defer vanish(conn)
	_ = conn.SetReadDeadline(time.Now().Add(readyWithin)) // it is new
	line, err := bufio.NewReader(conn).ReadString('\n')
	switch {
	case err != nil && ctx.Err() == nil:
		return fmt.Errorf("follow the events: %w", err)
	case !strings.Contains(line, " 200 ") && !strings.Contains(line, " 429 "): // there is a limit for streams, and those that vanished count until the daemon knows
		return scout.Errorf(scout.CodeInternal, "follow the events: %s", strings.TrimSpace(line))
	}
	s.came.add("vanish while they follow events")
	return nil
}
