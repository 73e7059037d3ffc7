package api

import (
	"context"
	"sync"
)

// underway has the requests that are being carried out, so that they end with the key or the session that let them in: a stream may be
// open for days.
type underway struct {
	mu   sync.Mutex
	ends uint64 // how many keys and sessions have ended
	all  map[*admitted]struct{}
}

// admitted is a request that is being carried out.
type admitted struct {
	who caller
	end context.CancelFunc
}

// seen is how many keys and sessions have ended. It is asked for before a request is looked at.
func (u *underway) seen() uint64 {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.ends
}

// enter notes a request until leave. It does not where a key or a session has ended since then: it may be the one that let the request in.
func (u *underway) enter(request *admitted, who caller, seen uint64) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if seen != u.ends {
		return false
	}
	if u.all == nil {
		u.all = make(map[*admitted]struct{})
	}
	request.who = who
	u.all[request] = struct{}{}
	return true
}

func (u *underway) leave(request *admitted) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.all, request)
}

// endKey ends what a key let in, itself or by a session. The key must be unknown by now.
func (u *underway) endKey(id string) { u.end(func(who *caller) bool { return who.id == id }) }

// endSession ends what a session let in. The session must be unknown by now; the zero hash is none.
func (u *underway) endSession(session secretHash) {
	if session != (secretHash{}) {
		u.end(func(who *caller) bool { return who.session == session })
	}
}

func (u *underway) end(is func(who *caller) bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.ends++
	for request := range u.all {
		if is(&request.who) {
			request.end()
		}
	}
}
