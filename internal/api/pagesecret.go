package api

import (
	"sync"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/realtime"
	"github.com/scout-speech/scout/internal/resilience"
)

// secretPrefix is how the keys of pages for realtime sessions begin.
const secretPrefix = "ek_"

// Bounds of the keys of pages.
const (
	usualSecret                = 600 * time.Second
	leastSecret, longestSecret = 10 * time.Second, 7200 * time.Second
	mostSecrets                = 10_000
	mostSecretBytes            = 16 << 20 // of what their sessions are like
	// secretShare is the part of both that one client may have.
	secretShare = 4
)

// pageSecret is a key that a program gives to a page. It opens any number of realtime sessions until it expires, and begins them as the
// program wanted.
type pageSecret struct {
	by      caller // who made it
	config  realtime.Config
	beta    bool
	bytes   int // of the request that made it
	expires time.Time
}

// secrets are the keys of pages. They exist in memory only, by their hash.
type secrets struct {
	mu    sync.Mutex
	all   map[secretHash]*pageSecret
	bytes int

	returns resilience.Returns // of each client, and of those for whom there was no room at all
}

// full refuses a key. One expires after the other.
func (s *secrets) full(line string, refused *scout.Error) error {
	return s.returns.Refuse(refused.WithHint("wait until some expire, or make them for a shorter time"), line, resilience.LeastPause, resilience.LeastPause)
}

// add makes a key. Its error has scout.CodeRateLimit.
func (s *secrets) add(one *pageSecret) (key string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.all) >= mostSecrets || s.bytes+one.bytes > mostSecretBytes {
		s.sweep(time.Now())
	}
	if len(s.all) >= mostSecrets || s.bytes+one.bytes > mostSecretBytes {
		return "", s.full("", scout.Errorf(scout.CodeRateLimit, "%d keys for realtime sessions are valid, which is the limit", len(s.all)))
	}
	count, bytes := 0, one.bytes
	for _, other := range s.all {
		if other.by.id == one.by.id && time.Now().Before(other.expires) {
			count++
			bytes += other.bytes
		}
	}
	if count >= mostSecrets/secretShare || bytes > mostSecretBytes/secretShare {
		return "", s.full("client "+one.by.id, scout.Errorf(scout.CodeRateLimit, "%d keys for realtime sessions of one client are valid, which is the limit", count))
	}
	if s.all == nil {
		s.all = make(map[secretHash]*pageSecret)
	}
	key = secretPrefix + newSecret()
	s.all[hashOf(key)] = one
	s.bytes += one.bytes
	return key, nil
}

// sweep forgets what has expired. The caller holds the lock.
func (s *secrets) sweep(now time.Time) {
	for hash, one := range s.all {
		if now.After(one.expires) {
			s.bytes -= one.bytes
			delete(s.all, hash)
		}
	}
}

// find returns the caller that a key makes at a path: the one who made it, without any other right.
func (s *secrets) find(key, path string) (caller, error) {
	s.mu.Lock()
	one := s.all[hashOf(key)]
	s.mu.Unlock()
	switch {
	case one == nil || time.Now().After(one.expires):
		return caller{}, scout.Errorf(scout.CodeInvalidAPIKey, "this key for realtime sessions is not known, or has expired").WithHint("make another: POST /v1/realtime/client_secrets")
	case path != realtimePath:
		return caller{}, scout.Errorf(scout.CodePermissionDenied, "a key for realtime sessions opens %s and nothing else", realtimePath).WithHint("use a key of scout keys create")
	}
	who := one.by
	who.role, who.secret = roleClient, one
	return who, nil
}
