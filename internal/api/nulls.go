package api

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strconv"

	"github.com/danielgtaylor/huma/v2"
)

// asked is what the body of an operation may be, by its document.
type asked struct {
	schema *huma.Schema
	named  huma.Registry
}

// notNull takes the permission of null from everything that a schema has: what is not known is left out. A JSON Merge Patch is the exception,
// in which null removes what it stands for.
func notNull(s *huma.Schema, named huma.Registry, seen map[*huma.Schema]bool) {
	if s == nil || seen[s] {
		return
	}
	seen[s] = true
	if s.Ref != "" {
		notNull(named.SchemaFromRef(s.Ref), named, seen)
		return
	}
	s.Nullable = false
	for _, property := range s.Properties {
		notNull(property, named, seen)
	}
	notNull(s.Items, named, seen)
	if more, is := s.AdditionalProperties.(*huma.Schema); is {
		notNull(more, named, seen)
	}
}

// null is where a body has a null that its document does not have; empty for nowhere.
func (a *asked) null(value any) string { return a.within(value, a.schema, "body") }

func (a *asked) within(value any, s *huma.Schema, at string) string {
	if s != nil && s.Ref != "" {
		s = a.named.SchemaFromRef(s.Ref)
	}
	if s == nil {
		return ""
	}
	switch value := value.(type) {
	case nil:
		if s.Type != "" && !s.Nullable {
			return at
		}
	case []any:
		for i := range value {
			if found := a.within(value[i], s.Items, at+"["+strconv.Itoa(i)+"]"); found != "" {
				return found
			}
		}
	case map[string]any:
		for name, one := range value {
			property := s.Properties[name]
			if property == nil {
				property, _ = s.AdditionalProperties.(*huma.Schema) // nil for anything
			}
			if found := a.within(one, property, at+"."+name); found != "" {
				return found
			}
		}
	}
	return ""
}

// refuseNull answers a request whose body has a null where the document has none, and reports whether it has. huma takes such a field for one
// that was left out.
func (s *Server) refuseNull(w http.ResponseWriter, r *http.Request, a access) (refused bool) {
	if a.asks == nil || r.ContentLength == 0 || isForm(r) {
		return false
	}
	body, err := s.wholeBody(w, r)
	if err != nil {
		writeError(w, err)
		return true
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	var value any
	if !bytes.Contains(body, []byte("null")) || json.Unmarshal(body, &value) != nil { // what is no JSON is refused where it is read
		return false
	}
	if at := a.asks.null(value); at != "" {
		writeError(w, unprocessable(at, "it is null: give it a value, or leave it out"))
		return true
	}
	return false
}
