package api

import (
	"cmp"
	"net/http"
	"strings"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/resilience"
)

// refusedError is why a request was refused before an operation saw it.
type refusedError struct {
	reason string // the label of the metric
	error
}

func (e *refusedError) Unwrap() error { return e.error }

// stopsWithin is after how long another daemon may answer in the place of one that is stopping.
const stopsWithin = 2 * time.Second

// meet looks at where a request comes from, before anybody asks who sent it.
func (s *Server) meet(w http.ResponseWriter, r *http.Request, c *connection) *refusedError {
	n := &s.options.Network
	if c.near {
		if err := c.allowed(); err != nil {
			return &refusedError{"role", err}
		}
		return nil
	}
	if err := n.calledBy(r.Host); err != nil {
		return &refusedError{"host", err}
	}
	foreign, err := n.sentBy(r, func() bool { return n.refuseKeyless(c, r) == nil })
	if err != nil {
		return &refusedError{"origin", err}
	}
	if foreign {
		share(w.Header(), r)
		r.Header.Del("Cookie") // all ports of a host are one site: the browser sends the session of Scout's own page with it
	}
	return nil
}

// admit says who sent a request that was met, or why it is refused.
//
//	mine  is noted, so that the request ends with the key or the session that let it in
func (s *Server) admit(r *http.Request, c *connection, a access, mine *admitted) (who caller, refused *refusedError) {
	if err := wellFormed(r); err != nil {
		return caller{}, &refusedError{"malformed", err}
	}
	if s.stopping.Load() {
		return caller{}, &refusedError{"unavailable", resilience.RetryAfter(scout.Errorf(scout.CodeUnavailable, "the daemon is stopping"), stopsWithin)}
	}
	var perMinute int
	var err error
	for entered := false; !entered; {
		ends := s.underway.seen()
		who, perMinute, err = s.identify(r, c)
		entered = s.underway.enter(mine, who, ends)
	}
	if err != nil && !who.role.may(a.role) {
		return who, &refusedError{"key", err}
	}
	if wait := s.rates.take(who.id, perMinute); wait > 0 {
		return who, &refusedError{"rate", s.rates.returns.Refuse(scout.Errorf(scout.CodeRateLimit, "%s may send %d requests a minute", who.plain(), perMinute), who.id, wait, time.Minute/time.Duration(perMinute))}
	}
	if err := a.permit(who); err != nil {
		return who, &refusedError{"role", err}
	}
	return who, nil
}

// identify says who sent a request, and how many requests a minute that caller may send. The error says why it is nobody.
func (s *Server) identify(r *http.Request, c *connection) (who caller, perMinute int, err error) {
	if c.near {
		return caller{role: roleOwner}, 0, nil
	}
	nobody := caller{role: roleNone}
	if c.scrape {
		if err := s.options.Network.mayScrape(c, r); err != nil {
			return nobody, 0, err
		}
		return caller{role: roleClient, id: scraperClient}, 0, nil
	}
	general := s.options.Network.RequestsPerMinute
	if key := bearer(r); strings.HasPrefix(key, keyPrefix) { // one that is wrong is refused where none is needed, too
		found, err := s.keys.find(r.Context(), key)
		if err != nil {
			return nobody, 0, err
		}
		return callerWith(found), cmp.Or(found.RequestsPerMinute, general), nil
	}
	if key := bearer(r); strings.HasPrefix(key, secretPrefix) {
		who, err := s.secrets.find(key, r.URL.Path)
		if err != nil {
			return nobody, 0, err
		}
		if who.session != (secretHash{}) && !s.sessions.lasts(who.session) {
			return nobody, 0, errSessionEnded()
		}
		if strings.HasPrefix(who.id, keyIDPrefix) { // it counts as the key that made it, and ends with it
			found, err := s.keys.named(r.Context(), who.id)
			if err != nil {
				return nobody, 0, err
			}
			perMinute = found.RequestsPerMinute
		}
		return who, cmp.Or(perMinute, general), nil
	}
	if cookie, err := r.Cookie(sessionCookie); err == nil {
		opened, valid := s.sessions.find(cookie.Value)
		if !valid {
			return nobody, 0, errSessionEnded()
		}
		who = caller{role: roleOwner}
		if opened.key != "" {
			found, err := s.keys.named(r.Context(), opened.key)
			if err != nil {
				return nobody, 0, err
			}
			who, perMinute = callerWith(found), cmp.Or(found.RequestsPerMinute, general)
		}
		who.session, who.until = hashOf(cookie.Value), opened.until
		return who, perMinute, nil
	}
	if err := s.options.Network.refuseKeyless(c, r); err != nil {
		return nobody, 0, err
	}
	return caller{role: roleClient, id: localClient, name: clientName(r)}, general, nil
}
