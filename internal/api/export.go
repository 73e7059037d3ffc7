package api

import (
	"archive/zip"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/scout-speech/scout"
	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/export"
	"github.com/scout-speech/scout/internal/job"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/store"
)

// registerExport adds what is computed from recordings.
func (s *Server) registerExport(api huma.API) {
	operation(api, about{
		method: http.MethodGet, path: "/recordings/{id}/peaks", role: roleClient, thing: thingRecording, summary: "Get the outline of a recording",
		description: "For drawing it: the recording in equal stretches, and of each the sample with the greatest magnitude, from -1 to 1. There is one list for each channel.",
		errors:      []scout.Code{scout.CodeRecordingNotFound, scout.CodeGone, scout.CodeRecordingCorrupt, scout.CodeAudioUnsupported, scout.CodeAudioCorrupt},
	}, func(ctx context.Context, in *struct {
		ByID
		Points int `query:"points" minimum:"1" maximum:"20000" default:"2000" doc:"How many stretches"`
	},
	) (*body[v1.Peaks], error) {
		r, err := s.withAudio(ctx, in.ID)
		if err != nil {
			return nil, err
		}
		o, err := s.outline(ctx, recording.ID(r.ID))
		if err != nil {
			return nil, err
		}
		return answer(v1.Peaks{Seconds: seconds(scout.Format{SampleRateHz: o.SampleRateHz}.Duration(o.Frames)), Peaks: o.Peaks(in.Points)}), nil
	})
	s.add(api, stream{
		about: about{
			method: http.MethodGet, path: "/recordings/{id}/export", role: roleClient, thing: thingRecording, summary: "Export a recording",
			description: "Its text in one or several formats, its audio, or both. Several are sent as a zip file.",
			errors:      []scout.Code{scout.CodeRecordingNotFound, scout.CodeNotFound, scout.CodeGone, scout.CodeRecordingInUse},
		},
		parameters: []*huma.Param{
			idParameter(),
			{Name: "format", In: "query", Required: true, Description: "One or several of " + strings.Join(export.Formats(), " ") + ", separated by commas", Schema: textSchema()},
			{Name: "version", In: "query", Description: "The version of the text; the current one if it is left out", Schema: numberSchema(1, 1<<31)},
		},
		answers: []string{"application/octet-stream", mediaZip}, handler: s.export,
	})
}

func (s *Server) export(w http.ResponseWriter, r *http.Request) {
	files, found, err := s.exports(r)
	if err != nil {
		writeError(w, err)
		return
	}
	if len(files) == 1 {
		w.Header().Set("Content-Type", files[0].Media)
		w.Header().Set("Content-Disposition", `attachment; filename="`+files[0].Name+`"`)
		if err := files[0].WriteTo(r.Context(), w); err != nil {
			panic(http.ErrAbortHandler) // the client must not take a part for the whole
		}
		return
	}
	w.Header().Set("Content-Type", mediaZip)
	w.Header().Set("Content-Disposition", `attachment; filename="`+found.ID+`.zip"`)
	z := zip.NewWriter(w)
	for i := range files {
		if err := files[i].Add(r.Context(), z, found.StartedAt); err != nil {
			panic(http.ErrAbortHandler)
		}
	}
	if err := z.Close(); err != nil {
		panic(http.ErrAbortHandler)
	}
}

// exports are the files that a request asks for. Everything that can be wrong is found before the first byte is sent.
func (s *Server) exports(r *http.Request) (files []export.File, found store.Recording, err error) {
	query := r.URL.Query()
	version := 0
	if asked := query.Get("version"); asked != "" {
		if version, err = strconv.Atoi(asked); err != nil || version < 1 {
			return nil, found, unprocessable("query.version", "%q is not the number of a version", asked)
		}
	}
	formats, err := export.Check(strings.Split(query.Get("format"), ","))
	if err != nil {
		return nil, found, unprocessable("query.format", "%s", scout.Plain(err))
	}
	if found, err = s.recording(r.Context(), r.PathValue("id")); err != nil {
		return nil, found, err
	}
	for _, name := range formats {
		file, err := s.files().File(r.Context(), &found, name, version)
		if err != nil {
			return nil, found, err
		}
		files = append(files, file)
	}
	return files, found, nil
}

// files are those of recordings, for other programs.
func (s *Server) files() *export.Source {
	return &export.Source{Store: s.store(), Folders: s.services.Folders, JSON: TranscriptJSON}
}

// TranscriptJSON writes a text as the interface has it.
func TranscriptJSON(w io.Writer, t *store.Transcript) error {
	return json.NewEncoder(w).Encode(transcriptOf(t))
}

// registerExports adds the files of jobs that export.
func (s *Server) registerExports(api huma.API) {
	if s.services.Exports == nil {
		return
	}
	s.add(api, stream{
		about: about{
			method: http.MethodGet, path: "/jobs/{id}/export", role: roleClient, thing: thingJob, summary: "Get the file of an export",
			description: "The zip file that a job of the kind export has made, or a range of it. The ETag is its checksum. It is kept for exports.keep; it goes at once when a recording in it is removed for good.",
			errors:      []scout.Code{scout.CodeNotFound, scout.CodeConflict, scout.CodeGone, scout.CodeRange}, also: []int{http.StatusPartialContent, http.StatusNotModified},
		},
		parameters: []*huma.Param{
			idParameter(), {Name: "Range", In: "header", Schema: textSchema()}, {Name: "If-Range", In: "header", Schema: textSchema()}, {Name: headerIfNone, In: "header", Schema: textSchema()},
		},
		answers: []string{mediaZip}, handler: s.exportedFile,
	})
}

// mediaZip is the media type of an export of several files.
const mediaZip = "application/zip"

func (s *Server) exportedFile(w http.ResponseWriter, r *http.Request) {
	j, err := s.services.Jobs.Job(r.Context(), r.PathValue("id"))
	if err != nil {
		writeError(w, err)
		return
	}
	file, err := s.services.Exports.Open(&j)
	if err != nil {
		writeError(w, err)
		return
	}
	defer func() { _ = file.Close() }() // it was only read
	h := w.Header()
	h.Set("Content-Type", mediaZip)
	h.Set("Content-Disposition", `attachment; filename="scout-`+file.MadeAt.UTC().Format("20060102T150405Z")+`.zip"`)
	h.Set("ETag", `"`+file.SHA256+`"`)
	http.ServeContent(&typedErrors{ResponseWriter: w}, inBytes(r), "", file.MadeAt, whileAllowed{r.Context(), file})
}

// addExport makes a job that exports.
func (s *Server) addExport(ctx context.Context, in *v1.NewJob) (*jobOutput, error) {
	if s.services.Exports == nil {
		return nil, unprocessable("body.kind", "nothing is exported here")
	}
	switch {
	case in.RecordingID != "":
		return nil, unprocessable("body.recording_id", "an export has recording_ids, or all")
	case in.Force:
		return nil, unprocessable("body.force", "each export is a new one")
	case !reflect.DeepEqual(in.TextOptions, v1.TextOptions{}):
		return nil, unprocessable("body", "an export makes no text: it has no model, language, languages, keywords, prompt and effort")
	case in.All == (len(in.RecordingIDs) > 0):
		return nil, unprocessable("body.recording_ids", "want either recording_ids, or all")
	}
	if err := mayChoose(ctx, in.Priority); err != nil {
		return nil, err
	}
	formats, err := export.Check(in.Formats)
	if err != nil {
		return nil, unprocessable("body.formats", "%s", scout.Plain(err))
	}
	request := export.Request{All: in.All, Formats: formats, Client: clientOf(ctx)}
	for _, id := range in.RecordingIDs {
		r, err := s.recording(ctx, id)
		if err == nil && !callerOf(ctx).owns(r.Client) {
			err = scout.Errorf(scout.CodeRecordingNotFound, "there is no recording %q", id)
		}
		if err != nil {
			return nil, err
		}
		if !slices.Contains(request.Recordings, r.ID) {
			request.Recordings = append(request.Recordings, r.ID)
		}
	}
	hook, err := webhookOfJob(ctx, in.Webhook, "body.webhook")
	if err != nil {
		return nil, err
	}
	o := job.Order{Kind: job.KindExport, Client: callerOf(ctx).id, Priority: job.Priority(in.Priority), Traceparent: observe.Traceparent(ctx)}
	if o.Options, err = json.Marshal(request); err != nil {
		return nil, err
	}
	return s.submit(ctx, o, hook)
}

// tellExport completes a job that exports.
func (s *Server) tellExport(ctx context.Context, j *store.Job, out *v1.Job) {
	var request export.Request
	if json.Unmarshal(j.Options, &request) != nil {
		return // a defect; the job says so
	}
	request.Client = ""                    // it is that of the job
	out.Options, _ = json.Marshal(request) // texts
	done, found := export.DoneOf(j)
	if j.State != store.JobSucceeded || !found || s.services.Exports == nil {
		return
	}
	out.Result = &v1.JobResult{
		URL: callerOf(ctx).base + prefix + "/jobs/" + j.ID + "/export", ExpiresAt: v1.TimeOf(s.services.Exports.Expires(j)), SizeBytes: done.SizeBytes,
		Exported: &v1.Exported{Recordings: done.Recordings, Files: done.Files, Problems: done.Problems},
	}
}
