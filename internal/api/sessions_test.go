package api

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/scout-speech/scout"
	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/store"
)

// far is a request over the network with the cookie of a session.
func far(ctx context.Context, path, cookie string) *http.Request {
	here := netip.MustParseAddrPort("127.0.0.1:1")
	r := httptest.NewRequest(http.MethodGet, path, http.NoBody)
	r.Host = "localhost"
	r.AddCookie(&http.Cookie{Name: sessionCookie, Value: cookie})
	return r.WithContext(context.WithValue(ctx, connectionKey{}, &connection{local: here, remote: here}))
}

// A session ends when its time is over, whoever's it is, and what it let in ends with it.
func TestASessionEndsInTime(t *testing.T) {
	t.Parallel()
	for _, key := range []string{"", "key_a"} {
		synctest.Test(t, func(t *testing.T) {
			scope := observe.NewScope(nil, nil, nil)
			s := New(Options{Scope: scope, Failures: observe.NewFailures(scope)}, Services{
				Levels: func(ctx context.Context, _ string, _ time.Duration, each func(v1.Level) bool) error {
					each(v1.Level{})
					<-ctx.Done()
					return nil
				},
			})
			s.keys.read = func(context.Context) ([]store.AccessKey, error) {
				return []store.AccessKey{{ID: "key_a", Role: store.RoleOwner}}, nil
			}
			cookie, _ := s.sessions.begin(key)
			began := time.Now()
			w := httptest.NewRecorder()
			ctx, cancel := context.WithTimeout(t.Context(), 2*sessionLasts) // for a stream that goes on
			defer cancel()
			s.serve(w, far(ctx, "/api/v1/recorder/level/stream", cookie)) // it returns when the stream ends
			if took := time.Since(began); w.Code != http.StatusOK || took != sessionLasts {
				t.Errorf("the stream of %q: %d, ended after %s", key, w.Code, took)
			}
			if found, valid := s.sessions.find(cookie); valid || found != (session{}) {
				t.Errorf("the session of %q: %+v, %v", key, found, valid)
			}
			r := far(t.Context(), "/api/v1/keys", cookie)
			if who, _, err := s.identify(r, connectionOf(r)); scout.CodeOf(err) != scout.CodeInvalidAPIKey || who.role != roleNone {
				t.Errorf("the caller after the end of a session of %q: %+v, %v", key, who, err)
			}
		})
	}
}

// Who begins many sessions or links ends only those of the same key, and first those whose time is over.
func TestSessionsOfAKeyAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var s sessions
		owners, _ := s.begin("")
		link, _ := s.link("")
		first, _ := s.begin("key_a")
		for n := 2; n <= 1000; n++ {
			time.Sleep(time.Millisecond)
			_, displaced := s.begin("key_a")
			if (displaced != secretHash{}) != (n > maxSessions) || n == maxSessions+1 && displaced != hashOf(first) {
				t.Fatalf("session %d ends %x", n, displaced)
			}
			s.link("key_a")
		}
		if _, valid := s.find(owners); !valid || !s.leads(link) || len(s.all) != maxSessions+1 || len(s.links) != maxSessions+1 {
			t.Errorf("the owner's session: %v, its link: %v; %d and %d in all", valid, s.leads(link), len(s.all), len(s.links))
		}
		time.Sleep(sessionLasts)
		if _, displaced := s.begin("key_a"); displaced != (secretHash{}) || len(s.all) != 1 {
			t.Errorf("%d sessions are kept whose time is over", len(s.all)-1)
		}
		s.endOf("key_a")
		if len(s.all) != 0 {
			t.Errorf("%d sessions of a key that was deleted", len(s.all))
		}
	})
}

// A request that was let in by what ended meanwhile is looked at again.
func TestARequestThatIsLetInTooLate(t *testing.T) {
	t.Parallel()
	var u underway
	ended := 0
	mine := &admitted{end: func() { ended++ }}
	seen := u.seen()
	u.endKey("key_b")
	if u.enter(mine, caller{id: "key_a"}, seen) {
		t.Error("it is let in by what was known before")
	}
	if !u.enter(mine, caller{id: "key_a"}, u.seen()) {
		t.Error("it is not let in by what is known now")
	}
	u.endKey("key_b")
	u.endSession(secretHash{}) // nobody's
	if ended != 0 {
		t.Error("it ends with something else")
	}
	u.endKey("key_a")
	u.leave(mine)
	u.endKey("key_a")
	if ended != 1 || len(u.all) != 0 {
		t.Errorf("it was ended %d times; %d requests are noted", ended, len(u.all))
	}
}

// A Location begins with the base path over the network, and only there; a whole URL stays.
func TestALocationBelowABasePath(t *testing.T) {
	t.Parallel()
	s := &Server{options: Options{Network: Network{BasePath: "/scout"}}}
	for at, want := range map[string]string{"/api/v1/jobs/1": "/scout/api/v1/jobs/1", "https://a.test/": "https://a.test/", "": ""} {
		for near, want := range map[bool]string{false: want, true: at} {
			out := httptest.NewRecorder()
			w := s.newResponse(out, httptest.NewRequest(http.MethodGet, "/", nil), &connection{near: near})
			if at != "" {
				w.Header().Set("Location", at)
			}
			w.WriteHeader(http.StatusAccepted)
			if got := out.Header().Get("Location"); got != want {
				t.Errorf("%q, near %v: %q, want %q", at, near, got, want)
			}
		}
	}
}
