package api

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/resilience"
	"github.com/scout-speech/scout/internal/store"
)

// keyPrefix is how Scout's keys begin, so that they are known as keys wherever they turn up.
const keyPrefix = "sk-scout-"

// keyIDPrefix is how the ids of keys begin.
const keyIDPrefix = "key_"

// keyBytes is how much of a secret is random.
const keyBytes = 32

// newKey makes a key.
func newKey() string {
	return keyPrefix + newSecret()
}

// keysFresh is how long keys are used that were read from the store. Those that this server changes count at once; it is for a store that
// was replaced.
const keysFresh = time.Second

// keyring has the keys of the store.
type keyring struct {
	read func(ctx context.Context) ([]store.AccessKey, error)

	mu   sync.Mutex
	keys []store.AccessKey
	at   time.Time // when they were read; zero for never
}

func (k *keyring) all(ctx context.Context) ([]store.AccessKey, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.at.IsZero() && time.Since(k.at) < keysFresh {
		return k.keys, nil
	}
	keys, err := k.read(ctx)
	if err != nil {
		return nil, err
	}
	k.keys, k.at = keys, time.Now()
	return keys, nil
}

// forget has the keys read again.
func (k *keyring) forget() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.at = time.Time{}
}

// find returns what is known of a key. How long that takes tells nothing about other keys.
func (k *keyring) find(ctx context.Context, key string) (store.AccessKey, error) {
	keys, err := k.all(ctx)
	if err != nil {
		return store.AccessKey{}, err
	}
	hash, found := sha256.Sum256([]byte(key)), -1
	for i := range keys {
		if subtle.ConstantTimeCompare(hash[:], keys[i].Hash[:]) == 1 {
			found = i
		}
	}
	if found < 0 {
		return store.AccessKey{}, scout.Errorf(scout.CodeInvalidAPIKey, "this Scout does not know this key").WithHint("see the keys: scout keys list; make another: scout keys create NAME")
	}
	return keys[found], nil
}

// named returns the key of a session.
func (k *keyring) named(ctx context.Context, id string) (store.AccessKey, error) {
	keys, err := k.all(ctx)
	if err != nil {
		return store.AccessKey{}, err
	}
	for i := range keys {
		if keys[i].ID == id {
			return keys[i], nil
		}
	}
	return store.AccessKey{}, errSessionEnded()
}

func errSessionEnded() error {
	return scout.Errorf(scout.CodeInvalidAPIKey, "the session has ended").WithHint("begin another: scout open, or POST /api/v1/session with a key")
}

// callerWith is whoever has that key.
func callerWith(key store.AccessKey) caller {
	if key.Role == store.RoleOwner {
		return caller{role: roleOwner, id: key.ID}
	}
	return caller{role: roleClient, id: key.ID}
}

// burstShare is the part of a minute's requests that may come at once.
const burstShare = 6

// rates bound how many requests come with each key.
type rates struct {
	mu  sync.Mutex
	all map[string]*rate.Limiter // by the id of the caller

	returns resilience.Returns // of each caller
}

// take counts a request of a caller who may send so many a minute, 0 for any number. It returns 0 or, where the request is one too many, after
// which time it is none.
func (r *rates) take(id string, perMinute int) time.Duration {
	if perMinute <= 0 {
		return 0
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	limit := rate.Limit(float64(perMinute) / 60)
	limiter := r.all[id]
	if limiter == nil || limiter.Limit() != limit {
		if r.all == nil {
			r.all = make(map[string]*rate.Limiter)
		}
		limiter = rate.NewLimiter(limit, max(1, perMinute/burstShare))
		r.all[id] = limiter
	}
	reservation := limiter.Reserve()
	wait := reservation.Delay()
	if wait > 0 {
		reservation.Cancel()
	}
	return wait
}

// forget drops what is known of a caller that is none any more.
func (r *rates) forget(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.all, id)
}
