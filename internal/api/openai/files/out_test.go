package files

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A stream without news sends its headers after 10 s, and then a comment at least every 15 s until it has ended.
func TestAStreamWithoutNews(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := httptest.NewRecorder()
		e := newEvents(w, func(err error) { t.Error(err) })
		comments := func() int {
			e.mu.Lock()
			defer e.mu.Unlock()
			return strings.Count(w.Body.String(), ": keep-alive\n\n")
		}
		time.Sleep(headersWithin - time.Second)
		if e.begun() {
			t.Error("the headers came too early: an error would be no answer of its own any more")
		}
		time.Sleep(2 * time.Second)
		if !e.begun() || w.Header().Get("Content-Type") != "text/event-stream" {
			t.Errorf("headers %v", w.Header())
		}
		for minute := range 2 {
			time.Sleep(time.Minute)
			if n := comments(); n < 4*(minute+1) || n > 7*(minute+1) {
				t.Errorf("%d comments in %d minutes", n, minute+1)
			}
		}
		before := comments()
		e.close()
		time.Sleep(time.Minute)
		if comments() != before {
			t.Error("a comment behind the end")
		}
	})
}

// Work that goes on another way learns that nobody reads any more, also where that was found out before.
func TestNobodyReads(t *testing.T) {
	t.Parallel()
	e := newEvents(unread{httptest.NewRecorder()}, func(error) {})
	defer e.close()
	e.ready()
	var told error
	e.stops(func(err error) { told = err })
	if !errors.Is(told, errUnread) {
		t.Errorf("told %v", told)
	}
}

var errUnread = errors.New("nobody reads")

// unread is an answer that nobody takes.
type unread struct{ http.ResponseWriter }

func (unread) FlushError() error { return errUnread }
