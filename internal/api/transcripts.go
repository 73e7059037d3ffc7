package api

import (
	"context"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/scout-speech/scout"
	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/export"
	"github.com/scout-speech/scout/internal/history"
	"github.com/scout-speech/scout/internal/store"
	"github.com/scout-speech/scout/internal/text"
)

// Filter is what lists are selected by.
type Filter struct {
	ID         string    `query:"id" doc:"The beginning or the end of the id"`
	Q          string    `query:"q" doc:"Words that must all be there; \"phrases\", -without, prefix*"`
	From       time.Time `query:"from"`
	To         time.Time `query:"to"`
	MinSeconds float64   `query:"min_seconds" minimum:"0"`
	MaxSeconds float64   `query:"max_seconds" minimum:"0"`
	Source     string    `query:"source" enum:"microphone,browser,upload,openai,wyoming,import"`
	Model      string    `query:"model"`
	State      string    `query:"state" enum:"recording,finished,recovered"`
	Device     string    `query:"device"`
	Tag        []string  `query:"tag,explode"`
	Label      []string  `query:"label,explode" doc:"NAME:VALUE"`
	Deleted    bool      `query:"deleted" doc:"What is in the trash"`
	Limit      int       `query:"limit" minimum:"1" maximum:"200" default:"50"`
	Cursor     string    `query:"cursor"`
	Order      string    `query:"order" enum:"desc,asc"`
	Sort       string    `query:"sort" enum:"time,relevance"`
}

// store returns the filter and the page as the store takes them, for the caller.
func (f *Filter) store(ctx context.Context) (store.Filter, store.Page, error) {
	out := store.Filter{
		ID: f.ID, Query: f.Q, From: f.From, To: f.To, MinDuration: time.Duration(f.MinSeconds * float64(time.Second)), MaxDuration: time.Duration(f.MaxSeconds * float64(time.Second)),
		Source: store.Source(f.Source), Model: f.Model, State: f.State, Device: f.Device, Tags: f.Tag, Deleted: f.Deleted,
	}
	out.Client = clientOf(ctx)
	for _, label := range f.Label {
		name, value, found := strings.Cut(label, ":")
		if !found || name == "" {
			return out, store.Page{}, scout.Errorf(scout.CodeInvalidArgument, "label %q: want NAME:VALUE", label)
		}
		if out.Labels == nil {
			out.Labels = make(map[string]string)
		}
		out.Labels[name] = value
	}
	return out, store.Page{Limit: f.Limit, Cursor: f.Cursor, Order: store.Order(f.Order), Sort: store.Sort(f.Sort)}, nil
}

// ByID names one thing. It is exported because huma fills embedded structs only then.
type ByID struct {
	ID string `path:"id"`
}

// registerTranscripts adds the texts.
func (s *Server) registerTranscripts(api huma.API) {
	operation(api, about{
		method: http.MethodGet, path: "/transcripts", role: roleClient, summary: "List or search transcripts",
		description: "One page of the transcripts that match the filter, newest first, with their text (unless text is false) and without their segments. With q, each has snippets of the text that was found.",
	}, s.listTranscripts)
	operation(api, about{
		method: http.MethodPost, path: "/transcripts", summary: "Keep a transcript",
		description: "Adds a text that was made elsewhere, as a new version of the transcript of a recording. Without recording, the text gets an entry of its own that has no audio.",
		errors:      []scout.Code{scout.CodeRecordingNotFound},
		status:      http.StatusCreated,
	}, s.keepTranscript)
	operation(api, about{
		method: http.MethodGet, path: "/transcripts/{id}", role: roleClient, thing: thingTranscript, summary: "Get a transcript",
		description: "The current version, or the one that is asked for, as JSON, plain text, Markdown, subtitles or a table. An owner may shorten the id to its beginning or end, as long as it is unique.",
		errors:      []scout.Code{scout.CodeNotFound},
		body:        v1.Transcript{}, forms: []string{"text/plain", "text/markdown", "application/x-subrip", "text/vtt", "text/tab-separated-values"},
	}, s.getTranscript)
	operation(api, about{
		method: http.MethodPatch, path: "/transcripts/{id}", role: roleClient, thing: thingTranscript, summary: "Correct segments of a transcript",
		description: "All edits together become one new version, which is the current one from then on. Words that an edit leaves alone keep their times.",
		errors:      []scout.Code{scout.CodeNotFound, scout.CodeConflict, scout.CodePreconditionFailed},
		body:        v1.Transcript{},
	}, s.editTranscript)
	operation(api, about{
		method: http.MethodPost, path: "/transcripts/{id}/restore", role: roleClient, thing: thingTranscript, summary: "Restore a deleted transcript",
		description: "Takes the text out of the trash.",
		errors:      []scout.Code{scout.CodeNotFound, scout.CodeConflict, scout.CodeGone},
		body:        v1.Transcript{},
	}, func(ctx context.Context, in *ByID) (*textOutput, error) {
		key, err := s.key(ctx, in.ID)
		if err != nil {
			return nil, err
		}
		return change(ctx, s, key.Recording, func(tx store.Tx) (*textOutput, error) {
			if _, err := tx.RestoreTranscript(key); err != nil {
				return nil, err
			}
			restored, err := tx.Transcript(key, 0)
			if err != nil {
				return nil, err
			}
			return s.textIn(&restored, text.JSON)
		})
	})
	operation(api, about{
		method: http.MethodGet, path: "/transcripts/{id}/versions", role: roleClient, thing: thingTranscript, summary: "List the versions of a transcript",
		description: "All versions, oldest first, without their text.",
		errors:      []scout.Code{scout.CodeNotFound},
	}, s.versions)
	operation(api, about{
		method: http.MethodPost, path: "/transcripts/{id}/versions/{version}/restore", role: roleClient, thing: thingTranscript, summary: "Return to an earlier version",
		description: "Adds a new version with the text of an earlier one, and makes it the current one. This is both undo and redo.",
		errors:      []scout.Code{scout.CodeNotFound, scout.CodeConflict},
		body:        v1.Transcript{},
	}, s.restoreVersion)
}

func (s *Server) store() store.Store { return s.services.History.Store() }

// key returns the key of the transcript with this id.
func (s *Server) key(ctx context.Context, id string) (store.Key, error) {
	key, err := store.ParseKey(id)
	if err != nil {
		return key, err
	}
	_, err = s.store().Transcript(ctx, key, 0)
	return key, err
}

// transcript returns a version of the transcript with this id, or of the only one whose id begins or ends so; the current one for 0.
func (s *Server) transcript(ctx context.Context, id string, version int) (t store.Transcript, err error) {
	key, err := store.ParseKey(id)
	if err == nil {
		t, err = s.store().Transcript(ctx, key, version)
	}
	if scout.CodeOf(err) != scout.CodeNotFound {
		return t, err
	}
	found, listErr := only(ctx, id, s.store().Transcripts, func(t *store.Summary) string { return t.String() })
	switch {
	case listErr != nil:
		return t, listErr
	case found == nil || found.Key == key: // it has no such version
		return t, err
	}
	return s.store().Transcript(ctx, found.Key, version)
}

// only returns what a listing has under the beginning or the end of an id, nil if there is nothing. What is in the trash counts
// only where nothing else has that id.
func only[T any](ctx context.Context, id string, list func(context.Context, store.Filter, store.Page) (store.Listing[T], error), name func(*T) string) (*T, error) {
	const named = 3 // in the error
	for _, deleted := range []bool{false, true} {
		found, err := list(ctx, store.Filter{ID: id, Deleted: deleted, Client: clientOf(ctx)}, store.Page{Limit: named, NoText: true})
		switch {
		case err != nil:
			return nil, err
		case len(found.Data) == 1:
			return &found.Data[0], nil
		case len(found.Data) > 1:
			ids := make([]string, len(found.Data))
			for i := range found.Data {
				ids[i] = name(&found.Data[i])
			}
			return nil, scout.Errorf(scout.CodeInvalidArgument, "several have the id %q: %s", id, strings.Join(ids, ", ")).WithHint("give more of the id")
		}
	}
	return nil, nil
}

func (s *Server) listTranscripts(ctx context.Context, in *struct {
	Filter
	Text bool `query:"text" default:"true" doc:"Whether the whole texts are wanted; false is faster"`
},
) (*body[v1.Page[v1.TranscriptSummary]], error) {
	f, page, err := in.store(ctx)
	if err != nil {
		return nil, err
	}
	page.NoText = !in.Text
	list, err := s.store().Transcripts(ctx, f, page)
	if err != nil {
		return nil, err
	}
	out := v1.Page[v1.TranscriptSummary]{Data: make([]v1.TranscriptSummary, len(list.Data)), NextCursor: list.Next}
	for i := range list.Data {
		out.Data[i] = summaryOf(&list.Data[i])
	}
	return answer(out), nil
}

// keptOutput is a text that was kept, with 201.
type keptOutput struct {
	Status int
	Body   v1.TranscriptSummary
}

// change changes the store. Where the request has an Idempotency-Key its answer is stored in the same transaction.
func change[O any](ctx context.Context, s *Server, recording string, do func(tx store.Tx) (*O, error)) (out *O, err error) {
	err = s.store().Update(ctx, func(tx store.Tx) error {
		if out, err = do(tx); err != nil {
			return err
		}
		return remember(ctx, tx, recording, out)
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

func (s *Server) keepTranscript(ctx context.Context, in *input[v1.Keep]) (*keptOutput, error) {
	k := &in.Body
	out := &keptOutput{Status: http.StatusCreated}
	_, _, err := s.services.History.Keep(ctx, history.Text{
		Recording: k.Recording, Track: k.Track, Title: k.Title, Transcript: k.Transcript.Transcript(),
		Also: func(tx store.Tx, key store.Key, version store.Version) error {
			t, err := tx.Transcript(key, version.Version)
			if err != nil {
				return err
			}
			t.Whole = t.Text()
			out.Body = summaryOf(&t.Summary)
			return remember(ctx, tx, key.Recording, out)
		},
	})
	return out, err
}

// document is a text in one of its formats.
type textOutput struct {
	Type string `header:"Content-Type"`
	ETag string `header:"ETag"`
	Body []byte
}

func (s *Server) getTranscript(ctx context.Context, in *struct {
	ByID
	Version int    `query:"version" minimum:"1"`
	Format  string `query:"format" enum:"json,txt,md,srt,vtt,tsv"`
	Accept  string `header:"Accept"`
},
) (*textOutput, error) {
	t, err := s.transcript(ctx, in.ID, in.Version)
	if err != nil {
		return nil, err
	}
	return s.textIn(&t, formatFor(in.Format, in.Accept))
}

// formatFor is the format that was asked for by name, else by media type, else JSON.
func formatFor(name, accept string) text.Format {
	if name == "txt" {
		return text.Plain
	}
	if format, err := text.ParseFormat(name); name != "" && err == nil {
		return format
	}
	best, found := 0.0, text.JSON
	for part := range strings.SplitSeq(accept, ",") {
		wanted, parameters, err := mime.ParseMediaType(part)
		if err != nil {
			continue
		}
		weight := 1.0
		if q, given := parameters["q"]; given {
			if weight, err = strconv.ParseFloat(q, 64); err != nil {
				continue
			}
		}
		for _, format := range []text.Format{text.JSON, text.Plain, text.Markdown, text.SRT, text.VTT, text.TSV} {
			if offered, _, _ := strings.Cut(export.MediaType(format), ";"); offered == wanted && weight > best {
				best, found = weight, format
			}
		}
	}
	return found
}

func (s *Server) textIn(t *store.Transcript, format text.Format) (*textOutput, error) {
	data, err := s.files().Text(t, format)
	return &textOutput{Type: export.MediaType(format), ETag: etag(strconv.Itoa(t.Version.Version), data), Body: data}, err
}

func (s *Server) editTranscript(ctx context.Context, in *struct {
	ByID
	IfMatch string `header:"If-Match"`
	Body    v1.Edits
},
) (*textOutput, error) {
	key, err := s.key(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	now, err := s.store().Transcript(ctx, key, 0)
	if err != nil {
		return nil, err
	}
	request := store.EditRequest{Key: key}
	if request.IfVersion, err = matching(in.IfMatch, now.Version.Version); err != nil {
		return nil, err
	}
	for _, e := range in.Body.Edits {
		request.Edits = append(request.Edits, store.Edit{Segment: e.Segment, Text: e.Text})
	}
	return change(ctx, s, key.Recording, func(tx store.Tx) (*textOutput, error) {
		edited, err := tx.Edit(request)
		if err != nil {
			return nil, err
		}
		return s.textIn(&edited, text.JSON)
	})
}

func (s *Server) versions(ctx context.Context, in *ByID) (*body[[]v1.TextVersion], error) {
	key, err := s.key(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	list, err := s.store().Versions(ctx, key)
	if err != nil {
		return nil, err
	}
	out := make([]v1.TextVersion, len(list))
	for i := range list {
		v := &list[i]
		out[i] = v1.TextVersion{
			Version: v.Version, Kind: string(v.Kind), Model: v.Model, CreatedAt: v1.Time{Time: v.CreatedAt}, Client: v.Client, Words: v.Words, Base: v.Base,
			RestoredFrom: v.RestoredFrom, Current: v.Current,
		}
	}
	return answer(out), nil
}

func (s *Server) restoreVersion(ctx context.Context, in *struct {
	ByID
	Version int `path:"version" minimum:"1"`
},
) (*textOutput, error) {
	key, err := s.key(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return change(ctx, s, key.Recording, func(tx store.Tx) (*textOutput, error) {
		restored, err := tx.RestoreVersion(key, in.Version, "")
		if err != nil {
			return nil, err
		}
		return s.textIn(&restored, text.JSON)
	})
}

func summaryOf(t *store.Summary) v1.TranscriptSummary {
	out := v1.TranscriptSummary{
		ID: t.String(), Recording: t.Recording, Version: t.Version.Version, Kind: string(t.Kind), Model: t.Model, Language: t.Language,
		Duration: v1.Seconds(t.Duration), Words: t.Words, CreatedAt: v1.Time{Time: t.CreatedAt}, StartedAt: v1.TimeOf(t.StartedAt), Title: t.Title, Tags: t.Tags,
		Labels: t.Labels, Source: string(t.Source), Text: t.Whole, Preview: t.Preview, DeletedAt: v1.TimeOf(t.DeletedAt), Snippets: snippetsOf(t.Snippets),
	}
	if t.Task == store.TaskTranslate {
		out.Task, out.TextLanguage = t.Task, text.TranslationLanguage
	}
	return out
}

func snippetsOf(list []store.Snippet) []v1.Snippet {
	out := make([]v1.Snippet, 0, len(list))
	for _, s := range list {
		snippet := v1.Snippet{Text: s.Text, Marks: s.Marks}
		if s.Start != nil {
			start := v1.Seconds(*s.Start)
			snippet.Start = &start
		}
		out = append(out, snippet)
	}
	return out
}

func transcriptOf(t *store.Transcript) v1.Transcript {
	out := v1.FromTranscript(&t.Transcript)
	out.ID, out.Version, out.Kind, out.CreatedAt = t.String(), t.Version.Version, string(t.Kind), v1.TimeOf(t.CreatedAt)
	out.Title, out.Tags, out.DeletedAt = t.Title, t.Tags, v1.TimeOf(t.DeletedAt)
	return out
}
