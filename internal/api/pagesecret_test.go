package api

import (
	"testing"
	"time"

	"github.com/scout-speech/scout"
)

// One client takes not all keys of pages.
func TestKeysOfPagesAreShared(t *testing.T) {
	t.Parallel()
	var s secrets
	of := func(id string, bytes int) error {
		_, err := s.add(&pageSecret{by: caller{id: id}, bytes: bytes, expires: time.Now().Add(time.Hour)})
		return err
	}
	for range mostSecretBytes / secretShare / maxBodyBytes {
		if err := of("key_a", maxBodyBytes); err != nil {
			t.Fatal(err)
		}
	}
	if err := of("key_a", 1); scout.CodeOf(err) != scout.CodeRateLimit {
		t.Errorf("%v", err)
	}
	if err := of("key_b", 1); err != nil {
		t.Error(err)
	}
}
