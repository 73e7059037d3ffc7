package api_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	v1 "github.com/scout-speech/scout/internal/api/v1"
)

func TestClientsSeeWhichModelsThereAre(t *testing.T) {
	t.Parallel()
	s := serve(t, networked)
	client, owner := s.addKey("key_a", "client", 0), s.addKey("key_b", "owner", 0)
	_, body := s.ask("GET", "/api/v1/models", "", bearer(client)...)
	var list v1.Models
	if err := json.Unmarshal([]byte(body), &list); err != nil || len(list.Data) != 2 || list.Data[0].ID != "moonshine-tiny-en" || !slices.Equal(list.Data[0].Roles, []string{"fast"}) {
		t.Errorf("%s, %v", body, err)
	}
	if strings.Contains(body, "/home/ann") {
		t.Errorf("a client is told of folders: %s", body)
	}
	if _, body := s.ask("GET", "/api/v1/models/mine", "", bearer(owner)...); !strings.Contains(body, "encoder.onnx is missing") || !strings.Contains(body, `"corrupt"`) {
		t.Errorf("the owner is not told what is wrong: %s", body)
	}
	if response, body := s.ask("GET", "/api/v1/models/mi", "", bearer(client)...); response.StatusCode != 404 || !strings.Contains(body, "model_unknown") {
		t.Errorf("%d %s", response.StatusCode, body)
	}
}
