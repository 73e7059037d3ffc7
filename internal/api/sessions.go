package api

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"log/slog"
	"maps"
	"net/http"
	"slices"
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
	// maxSessions is for each key, and for the owner: who begins many ends only those of the same key.
	maxSessions = 20
)

// session is a browser that has shown a key, or was opened by the owner.
type session struct {
	key   string // the id of the key; empty for the owner
	until time.Time
}

// sessions end with their key, when somebody ends them, or when their time is over. keepIn has them outlive the daemon; links never do.
type sessions struct {
	mu    sync.Mutex
	all   map[secretHash]session // by their cookie
	links map[secretHash]session // that begin one, by what is in the link
	path  string                 // of the file that keeps them; empty for memory alone
	log   *slog.Logger
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

// over reports whether the time of a session or a link is over.
func (s session) over() bool { return !time.Now().Before(s.until) }

// keep adds a secret and drops those whose time is over. Where the same key has too many, the one of them that ends first makes room: it
// is returned, the zero hash for none.
func keep(all map[secretHash]session, secret string, s session) (displaced secretHash) {
	var first secretHash
	count := 0
	for hash, one := range all {
		switch {
		case one.over():
			delete(all, hash)
		case one.key == s.key:
			if count++; count == 1 || one.until.Before(all[first].until) {
				first = hash
			}
		}
	}
	if count >= maxSessions {
		delete(all, first)
		displaced = first
	}
	all[hashOf(secret)] = s
	return displaced
}

// begin returns the cookie of a new session, and the session that made room for it; the zero hash for none.
func (s *sessions) begin(key string) (cookie string, displaced secretHash) {
	cookie = newSecret()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all == nil {
		s.all = make(map[secretHash]session)
	}
	displaced = keep(s.all, cookie, session{key, time.Now().Add(sessionLasts)})
	_ = s.write() // it is logged; the session then ends with the daemon
	return cookie, displaced
}

// link returns what begins a session, once, and until when.
//
//	key  the id of the key of the owner who asks for it; empty for the owner at this machine
func (s *sessions) link(key string) (secret string, until time.Time) {
	secret, until = newSecret(), time.Now().Add(linkLasts)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.links == nil {
		s.links = make(map[secretHash]session)
	}
	keep(s.links, secret, session{key, until})
	return secret, until
}

// leads reports whether a link was not used yet, and leaves it as it is.
func (s *sessions) leads(secret string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	one, found := s.links[hashOf(secret)]
	return found && !one.over()
}

// follow uses a link up, and returns the key whose session it begins.
func (s *sessions) follow(secret string) (key string, valid bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	one, found := s.links[hashOf(secret)]
	delete(s.links, hashOf(secret))
	return one.key, found && !one.over()
}

// find returns a session that has not ended; the zero session where it has.
func (s *sessions) find(cookie string) (found session, valid bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found, valid = s.all[hashOf(cookie)]
	if !valid || found.over() {
		return session{}, false
	}
	return found, true
}

// lasts reports whether a session has not ended.
func (s *sessions) lasts(hash secretHash) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	one, found := s.all[hash]
	return found && !one.over()
}

// end ends a session. After an error it has ended for this daemon, and the next one may know it again.
func (s *sessions) end(cookie string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, found := s.all[hashOf(cookie)]; !found {
		return nil
	}
	delete(s.all, hashOf(cookie))
	return s.write()
}

// endOf ends the sessions and links of a key.
func (s *sessions) endOf(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := len(s.all)
	for _, all := range []map[secretHash]session{s.all, s.links} {
		maps.DeleteFunc(all, func(_ secretHash, one session) bool { return one.key == key })
	}
	if len(s.all) < before {
		_ = s.write() // it is logged; a session of a key that is gone lets nobody in
	}
}

// endAll ends every session and link, and returns the sessions. Its errors are those of end.
func (s *sessions) endAll() (ended []secretHash, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ended = slices.Collect(maps.Keys(s.all))
	clear(s.all)
	clear(s.links)
	return ended, s.write()
}

// count is how many sessions have not ended.
func (s *sessions) count() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, one := range s.all {
		if !one.over() {
			n++
		}
	}
	return n
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
		description: "For pages, whose event streams and audio elements cannot send a key: a request with a key gets a cookie that counts as that key, until it is ended, the key is deleted, or for 30 days. It outlives the daemon.",
		status:      http.StatusNoContent,
	}, func(ctx context.Context, _ *none) (*cookieOutput, error) {
		c := callerOf(ctx)
		if c.id == "" || c.id == localClient {
			return nil, scout.Errorf(scout.CodeInvalidAPIKey, "a session begins with a key").WithHint("send one: Authorization: Bearer KEY; or open a page: scout open")
		}
		return &cookieOutput{s.beginSession(c.id, c.secure).String()}, nil
	})
	operation(api, about{
		method: http.MethodDelete, path: "/session", role: roleNone, summary: "End the session",
		description: "Ends the session of the cookie with its open streams, and removes the cookie. With all, which is the owner's, every session of every browser ends, and links of scout open do not work any more.",
		status:      http.StatusNoContent,
	}, s.endSession)
	operation(api, about{
		method: http.MethodPost, path: "/session/link", secret: true, summary: "Make a link that opens a session",
		description: "A browser of the same user on this machine that follows the link within five minutes gets a session of the owner. It works once.",
		errors:      []scout.Code{scout.CodeConflict},
	}, func(ctx context.Context, _ *none) (*body[v1.SessionLink], error) {
		at := s.services.Pages(callerOf(ctx).secure)
		if at == "" {
			return nil, scout.Errorf(scout.CodeConflict, "the daemon listens at no address that a browser reaches").
				WithHint("see why: scout status; the setting is http.addr")
		}
		secret, until := s.sessions.link(callerOf(ctx).id) // it ends with the key that made it
		return answer(v1.SessionLink{URL: at + openPath + secret, ExpiresAt: v1.Time{Time: until}}), nil
	})
	s.add(api, stream{
		about: about{
			method: http.MethodGet, path: openPath + "{link}", role: roleNone, summary: "Follow a link of POST /api/v1/session/link",
			description: "Sets the cookie of the session and leads to the page. Whoever is not this user on this machine is refused, and the link stays as it is.",
			status:      http.StatusSeeOther, errors: []scout.Code{scout.CodeGone, scout.CodePermissionDenied},
		},
		parameters: []*huma.Param{{Name: "link", In: "path", Required: true, Schema: textSchema()}},
		root:       true, handler: s.open,
	})
}

// endSession ends the session of a cookie, or all of them.
func (s *Server) endSession(ctx context.Context, in *struct {
	Session string `cookie:"scout_session"`
	All     bool   `query:"all" doc:"Every session of every browser"`
},
) (*cookieOutput, error) {
	gone := &cookieOutput{s.cookie("", -1, callerOf(ctx).secure).String()}
	if !in.All {
		err := s.sessions.end(in.Session)
		s.underway.endSession(hashOf(in.Session))
		return gone, err
	}
	if err := ownersOnly(ctx); err != nil {
		return nil, err
	}
	ended, err := s.sessions.endAll()
	for _, one := range ended {
		s.underway.endSession(one)
	}
	return gone, err
}

// beginSession begins a session of a key and returns its cookie.
func (s *Server) beginSession(key string, secure bool) *http.Cookie {
	cookie, displaced := s.sessions.begin(key)
	s.underway.endSession(displaced)
	return s.cookie(cookie, int(sessionLasts.Seconds()), secure)
}

// open begins the session of a link. Whoever only looks at the link, as programs do in which it was pasted, leaves it as it is; so does
// another user, who can read it in the list of processes while a browser is started with it.
func (s *Server) open(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodHead {
		w.WriteHeader(http.StatusSeeOther)
		return
	}
	link := r.PathValue("link")
	if s.sessions.leads(link) {
		if err := s.options.Network.sameUser(connectionOf(r), r); err != nil {
			writeError(w, scout.Errorf(scout.CodePermissionDenied, "the link is for a browser of the same user on this machine: %w", err).
				WithHint("from elsewhere, use a key: scout keys create NAME --role owner"))
			return
		}
	}
	key, valid := s.sessions.follow(link)
	if !valid {
		writeError(w, scout.Errorf(scout.CodeGone, "this link was used before, or its time is over").WithHint("make another: scout open"))
		return
	}
	http.SetCookie(w, s.beginSession(key, r.TLS != nil))
	w.Header().Set("Location", s.openedAt())
	w.Header().Set("Referrer-Policy", "no-referrer")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusSeeOther)
}

// openedAt is where a link of scout open leads.
func (s *Server) openedAt() string {
	if s.site.IsBuilt() {
		return "/"
	}
	return docsPath
}

// cookie is sent to no other site, and read by no script.
//
//	secure  whether it was asked for over TLS: then it is never sent over anything else
func (s *Server) cookie(value string, age int, secure bool) *http.Cookie {
	return &http.Cookie{
		Name: sessionCookie, Value: value, Path: cmp.Or(s.options.Network.BasePath, "/"), MaxAge: age, HttpOnly: true, Secure: secure, SameSite: http.SameSiteStrictMode,
	}
}
