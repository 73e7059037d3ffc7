package api

import (
	"archive/zip"
	"context"
	"io"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/scout-speech/scout"
	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/store"
)

// exportFormats are the forms of an export.
func exportFormats() []string { return []string{"txt", "md", "json", "srt", "vtt", "tsv", "audio"} }

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
			{Name: "format", In: "query", Required: true, Description: "One or several of " + strings.Join(exportFormats(), " ") + ", separated by commas", Schema: textSchema()},
			{Name: "version", In: "query", Description: "The version of the text; the current one if it is left out", Schema: numberSchema(1, 1<<31)},
		},
		answers: []string{"application/octet-stream", "application/zip"}, handler: s.export,
	})
}

// exported is one file of an export.
type exported struct {
	name, media string
	data        []byte
	audio       string // a path, where it is the audio
}

func (s *Server) export(w http.ResponseWriter, r *http.Request) {
	files, id, err := s.exports(r)
	if err != nil {
		writeError(w, err)
		return
	}
	if len(files) == 1 {
		w.Header().Set("Content-Type", files[0].media)
		w.Header().Set("Content-Disposition", `attachment; filename="`+files[0].name+`"`)
		if err := files[0].writeTo(r.Context(), w); err != nil {
			panic(http.ErrAbortHandler) // the client must not take a part for the whole
		}
		return
	}
	w.Header().Set("Content-Type", "application/zip")
	w.Header().Set("Content-Disposition", `attachment; filename="`+id+`.zip"`)
	z := zip.NewWriter(w)
	for i := range files {
		method := zip.Deflate
		if files[i].audio != "" { // it hardly gets smaller, and takes long
			method = zip.Store
		}
		part, err := z.CreateHeader(&zip.FileHeader{Name: files[i].name, Method: method, Modified: time.Now().UTC()})
		if err == nil {
			err = files[i].writeTo(r.Context(), part)
		}
		if err != nil {
			panic(http.ErrAbortHandler)
		}
	}
	if err := z.Close(); err != nil {
		panic(http.ErrAbortHandler)
	}
}

// writeTo writes the file while ctx lasts.
func (e *exported) writeTo(ctx context.Context, w io.Writer) error {
	if e.audio == "" {
		_, err := w.Write(e.data)
		return err
	}
	file, err := os.Open(e.audio)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }() // it was only read
	_, err = io.Copy(w, whileAllowed{ctx, file})
	return err
}

// exports are the files that a request asks for. Everything that can be wrong is found before the first byte is sent.
func (s *Server) exports(r *http.Request) (files []exported, id string, err error) {
	query := r.URL.Query()
	version := 0
	if asked := query.Get("version"); asked != "" {
		if version, err = strconv.Atoi(asked); err != nil || version < 1 {
			return nil, "", unprocessable("query.version", "%q is not the number of a version", asked)
		}
	}
	formats := strings.Split(query.Get("format"), ",")
	for _, name := range formats {
		if !slices.Contains(exportFormats(), name) {
			return nil, "", unprocessable("query.format", "%q is no format: want one or several of %s", name, strings.Join(exportFormats(), " "))
		}
	}
	slices.Sort(formats)
	found, err := s.recording(r.Context(), r.PathValue("id"))
	if err != nil {
		return nil, "", err
	}
	for _, name := range slices.Compact(formats) {
		if name == "audio" {
			file, err := s.exportedAudio(r.Context(), found.ID)
			if err != nil {
				return nil, "", err
			}
			files = append(files, file)
			continue
		}
		t, err := s.store().Transcript(r.Context(), store.MainKey(found.ID), version)
		if err != nil {
			return nil, "", err
		}
		out, err := textOf(&t, formatFor(name, ""))
		if err != nil {
			return nil, "", err
		}
		files = append(files, exported{name: found.ID + "." + name, media: out.Type, data: out.Body})
	}
	return files, found.ID, nil
}

func (s *Server) exportedAudio(ctx context.Context, id string) (exported, error) {
	if _, err := s.withAudio(ctx, id); err != nil {
		return exported{}, err
	}
	folder := s.folderOf(recording.ID(id))
	m, err := folder.Manifest(recording.ID(id))
	if err == nil && m.State == recording.StateRecording {
		err = scout.Errorf(scout.CodeRecordingInUse, "recording %s is in progress", id).WithHint("stop it first: scout stop")
	}
	path := folder.AudioPath(recording.ID(id))
	if err == nil {
		if _, statErr := os.Stat(path); statErr != nil {
			err = scout.FileError(scout.CodeReadFailed, "read recording "+id, statErr)
		}
	}
	media := mediaOf(&m)
	return exported{name: id + extensionOf(media), media: media, audio: path}, err
}
