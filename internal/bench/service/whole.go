package service

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"sync"
)

// kept is an upload that was acknowledged.
type kept struct{ recording, job, sum string }

// sumOf is the checksum of a file.
func sumOf(file []byte) string {
	sum := sha256.Sum256(file)
	return hex.EncodeToString(sum[:])
}

// shelf has the uploads that were acknowledged. It is safe for concurrent use.
type shelf struct {
	mu   sync.Mutex
	kept []kept
}

func (s *shelf) add(k kept) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kept = append(s.kept, k)
}

func (s *shelf) all() []kept {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.kept
}

// missing counts the uploads whose bytes are not those that were sent.
func (s *shelf) missing(ctx context.Context, c *client) (n int, err error) {
	for _, k := range s.all() {
		a, err := c.get(ctx, api+"/recordings/"+k.recording+"/audio")
		if err != nil {
			return n, err
		}
		if !a.ok() || sumOf(a.body) != k.sum {
			n++
		}
	}
	return n, nil
}

// results waits for the jobs of the uploads, and counts how many have made a text, and how many recordings have more than one.
func (s *shelf) results(ctx context.Context, c *client) (made, double int, err error) {
	for _, k := range s.all() {
		if _, err := c.follow(ctx, k.job); err != nil {
			return made, double, err
		}
		var versions []struct{}
		a, err := c.ask(ctx, http.MethodGet, "/transcripts/"+k.recording+"/versions", nil, &versions)
		if err != nil && (a == nil || a.status != http.StatusNotFound) {
			return made, double, err
		}
		if len(versions) > 0 {
			made++
		}
		if len(versions) > 1 {
			double++
		}
	}
	return made, double, nil
}
