package api

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/scout-speech/scout"
	v1 "github.com/scout-speech/scout/internal/api/v1"
)

// sessionCookie is for pages: event streams and the elements that play audio cannot send a key.
const sessionCookie = "scout_session"

// Limits of sessions and of the links that begin one.
const (
	sessionLasts = 30 * 24 * time.Hour
	linkLasts    = 5 * time.Minute
	maxSessions  = 1000
)

// session is a browser that has shown a key, or was opened by the owner.
type session struct {
	key   string // the id of the key; empty for the owner
	until time.Time
}

// sessions are kept in memory alone: they end with the daemon, with their key, or when their time is over.
type sessions struct {
	mu    sync.Mutex
	all   map[secretHash]session // by their cookie
	links map[secretHash]session // that begin one, by what is in the link
}

// secretHash is the hash of a secret that a client has: what is in memory cannot be used.
type secretHash [sha256.Size]byte

func hashOf(secret string) secretHash { return sha256.Sum256([]byte(secret)) }

// newSecret makes what only its holder knows.
func newSecret() string {
	var random [keyBytes]byte
	_, _ = rand.Read(random[:]) // it never fails
	return base64.RawURLEncoding.EncodeToString(random[:])
}

// keep adds a secret. Where there are too many, the one that ends first makes room.
func keep(all map[secretHash]session, secret string, s session) map[secretHash]session {
	if all == nil {
		all = make(map[secretHash]session)
	}
	for len(all) >= maxSessions {
		var first secretHash
		var until time.Time
		for hash, one := range all {
			if until.IsZero() || one.until.Before(until) {
				first, until = hash, one.until
			}
		}
		delete(all, first)
	}
	all[hashOf(secret)] = s
	return all
}

// begin returns the cookie of a new session.
func (s *sessions) begin(key string) string {
	cookie := newSecret()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = keep(s.all, cookie, session{key, time.Now().Add(sessionLasts)})
	return cookie
}

// link returns what begins a session of the owner, once, and until when.
func (s *sessions) link() (secret string, until time.Time) {
	secret, until = newSecret(), time.Now().Add(linkLasts)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.links = keep(s.links, secret, session{until: until})
	return secret, until
}

// follow returns the cookie of a new session for a link that was not used yet.
func (s *sessions) follow(secret string) (cookie string, valid bool) {
	s.mu.Lock()
	one, found := s.links[hashOf(secret)]
	delete(s.links, hashOf(secret))
	s.mu.Unlock()
	if !found || time.Now().After(one.until) {
		return "", false
	}
	return s.begin(one.key), true
}

// find returns a session that has not ended.
func (s *sessions) find(cookie string) (found session, valid bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found, valid = s.all[hashOf(cookie)]
	return found, valid && time.Now().Before(found.until)
}

func (s *sessions) end(cookie string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.all, hashOf(cookie))
}

// cookieOutput sets a cookie.
type cookieOutput struct {
	Cookie string `header:"Set-Cookie"`
}

// openPath is that of the links that begin a session.
const openPath = "/open/"

// registerSessions adds how a page shows a key once, or is opened by the owner.
func (s *Server) registerSessions(api huma.API) {
	operation(api, about{
		method: http.MethodPost, path: "/session", role: roleClient, secret: true, summary: "Begin a session",
		description: "For pages, whose event streams and audio elements cannot send a key: a request with a key gets a cookie that counts as that key, until the daemon ends, the key is deleted, or for 30 days.",
		status:      http.StatusNoContent,
	}, func(ctx context.Context, _ *none) (*cookieOutput, error) {
		c := callerOf(ctx)
		if c.id == "" || c.id == localClient {
			return nil, scout.Errorf(scout.CodeInvalidAPIKey, "a session begins with a key").WithHint("send one: Authorization: Bearer KEY; or open a page: scout open")
		}
		return &cookieOutput{s.cookie(s.sessions.begin(c.id), int(sessionLasts.Seconds())).String()}, nil
	})
	operation(api, about{
		method: http.MethodDelete, path: "/session", role: roleNone, summary: "End the session",
		description: "Ends the session of the cookie, and removes the cookie.",
		status:      http.StatusNoContent,
	}, func(_ context.Context, in *struct {
		Session string `cookie:"scout_session"`
	},
	) (*cookieOutput, error) {
		s.sessions.end(in.Session)
		return &cookieOutput{s.cookie("", -1).String()}, nil
	})
	operation(api, about{
		method: http.MethodPost, path: "/session/link", secret: true, summary: "Make a link that opens a session",
		description: "A browser that follows the link within five minutes gets a session of the owner. It works once.",
		errors:      []scout.Code{scout.CodeConflict},
	}, func(context.Context, *none) (*body[v1.SessionLink], error) {
		at := s.services.Pages()
		if at == "" {
			return nil, scout.Errorf(scout.CodeConflict, "the daemon listens at no address that a browser reaches").
				WithHint("see why: scout status; the setting is http.addr")
		}
		secret, until := s.sessions.link()
		return answer(v1.SessionLink{URL: at + openPath + secret, ExpiresAt: v1.Time{Time: until}}), nil
	})
	s.add(api, stream{
		about: about{
			method: http.MethodGet, path: openPath + "{link}", role: roleNone, summary: "Follow a link of POST /api/v1/session/link",
			description: "Sets the cookie of the session and leads to the page.", status: http.StatusSeeOther, errors: []scout.Code{scout.CodeGone},
		},
		parameters: []*huma.Param{{Name: "link", In: "path", Required: true, Schema: textSchema()}},
		root:       true, handler: s.open,
	})
}

// open begins the session of a link. Whoever only looks at the link, as programs do in which it was pasted, leaves it as it is.
func (s *Server) open(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodHead {
		w.WriteHeader(http.StatusSeeOther)
		return
	}
	cookie, valid := s.sessions.follow(r.PathValue("link"))
	if !valid {
		writeError(w, scout.Errorf(scout.CodeGone, "this link was used before, or its time is over").WithHint("make another: scout open"))
		return
	}
	http.SetCookie(w, s.cookie(cookie, int(sessionLasts.Seconds())))
	w.Header().Set("Location", docsPath)
	w.Header().Set("Referrer-Policy", "no-referrer")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusSeeOther)
}

// cookie is sent to no other site, and read by no script. There is no TLS: it is not Secure.
func (s *Server) cookie(value string, age int) *http.Cookie {
	return &http.Cookie{
		Name: sessionCookie, Value: value, Path: cmp.Or(s.options.Network.BasePath, "/"), MaxAge: age, HttpOnly: true, SameSite: http.SameSiteStrictMode,
	}
}
