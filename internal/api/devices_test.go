package api_test

import (
	"context"
	"net/http"
	"testing"
)

// The sound system is watched for a client that wants to hear of devices, for as long as it listens, and for no other.
func TestWhoHasDevicesWatched(t *testing.T) {
	t.Parallel()
	for query, want := range map[string]bool{
		"": true, "?topics=device": true, "?topics=device.added": true, "?topics=recording,device.removed": true,
		"?topics=recording": false, "?topics=device.lost": false, "?topics=dev": false,
	} {
		t.Run(query, func(t *testing.T) {
			t.Parallel()
			began, ended := make(chan struct{}, 10), make(chan struct{}, 10)
			s := serve(t, func(s *served) {
				s.services.ListenDevices = func() func() {
					began <- struct{}{}
					return func() { ended <- struct{}{} }
				}
			})
			ctx, leave := context.WithCancel(t.Context())
			defer leave()
			request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://scout/api/v1/events"+query, http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			response, err := s.client.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = response.Body.Close() }() // it was left
			if got := len(began) == 1; got != want {     // it has answered: it listens by now
				t.Fatalf("watched: %v, want %v", got, want)
			}
			leave()
			if want {
				<-ended
			}
		})
	}
}
