package files

import (
	"net/http"
	"slices"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/api/openai"
	"github.com/scout-speech/scout/internal/model"
)

// Model is a model as OpenAI describes one.
type Model struct {
	ID      string `json:"id"`
	Object  string `json:"object" enum:"model"`
	Created int64  `json:"created" doc:"Unix seconds: when it was installed"`
	OwnedBy string `json:"owned_by"`
	// ShutdownDate is always null.
	ShutdownDate *string `json:"shutdown_date"`
}

// Models is GET /v1/models.
type Models struct {
	Object string  `json:"object" enum:"list"`
	Data   []Model `json:"data"`
}

// Deleted is the body of a deletion.
type Deleted struct {
	ID      string `json:"id"`
	Object  string `json:"object" enum:"model"`
	Deleted bool   `json:"deleted"`
}

// aliasesSince is the moment from which on the aliases exist: that of this interface.
const aliasesSince = 1795824000

const (
	objectModel = "model"
	ownedByUs   = "scout"
)

// models are those that are installed, then the aliases.
func (s *Service) models() ([]Model, error) {
	store, err := s.Store()
	if err != nil {
		return nil, err
	}
	known, err := store.List()
	if err != nil {
		return nil, err
	}
	list := []Model{}
	for i := range known {
		k := &known[i]
		if !k.Installed || k.Problem != "" {
			continue
		}
		owner := string(k.Family)
		if k.Own || owner == "" {
			owner = "user"
		}
		list = append(list, Model{ID: k.ID, Object: objectModel, Created: k.InstalledAt.Unix(), OwnedBy: owner})
	}
	for _, alias := range openai.Aliases() {
		if !slices.ContainsFunc(list, func(m Model) bool { return m.ID == alias }) {
			list = append(list, Model{ID: alias, Object: objectModel, Created: aliasesSince, OwnedBy: ownedByUs})
		}
	}
	return list, nil
}

// List is GET /v1/models.
func (s *Service) List(w http.ResponseWriter, _ *http.Request) {
	list, err := s.models()
	if err != nil {
		s.host.Fail(w, err)
		return
	}
	writeJSON(w, Models{Object: "list", Data: list})
}

// Get is GET /v1/models/{id}. The id may contain slashes.
func (s *Service) Get(w http.ResponseWriter, r *http.Request) {
	list, err := s.models()
	id := r.PathValue("id")
	if i := slices.IndexFunc(list, func(m Model) bool { return m.ID == id }); err == nil && i >= 0 {
		writeJSON(w, list[i])
		return
	}
	if err == nil {
		if _, err = s.Names.Resolve(r.Context(), id); err == nil { // the name default
			err = scout.Errorf(scout.CodeModelUnknown, "model %q is not installed", id)
		}
	}
	s.host.Fail(w, err)
}

// Delete is DELETE /v1/models/{id}.
func (s *Service) Delete(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	err := s.delete(r, id)
	if err != nil {
		s.host.Fail(w, err)
		return
	}
	writeJSON(w, Deleted{ID: id, Object: objectModel, Deleted: true})
}

func (s *Service) delete(r *http.Request, id string) error {
	list, err := s.models()
	if err != nil {
		return err
	}
	i := slices.IndexFunc(list, func(m Model) bool { return m.ID == id })
	if i >= 0 && list[i].OwnedBy == ownedByUs {
		return openai.Invalid(fieldModel, "%s is another name of an installed model: it cannot be deleted", id)
	}
	if i < 0 {
		if _, err := s.Names.Resolve(r.Context(), id); err != nil {
			return err
		}
		return scout.Errorf(scout.CodeModelUnknown, "model %q is not installed", id)
	}
	return s.Remove(r.Context(), id)
}

// translator is the first installed model that translates, empty for none.
func translator(store *model.Store) (string, error) {
	list, err := store.List()
	if err != nil {
		return "", err
	}
	for i := range list {
		if l := &list[i]; l.Installed && l.Problem == "" && l.Family == model.Whisper && len(l.Languages) > 1 {
			return l.ID, nil
		}
	}
	return "", nil
}
