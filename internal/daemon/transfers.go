package daemon

import (
	"path/filepath"

	"github.com/scout-speech/scout/internal/api"
	"github.com/scout-speech/scout/internal/export"
	"github.com/scout-speech/scout/internal/job/importation"
	"github.com/scout-speech/scout/internal/recording"
)

// exportsName is the folder of exports in the data folder.
const exportsName = "exports"

// openTransfers makes what takes over the database of the original Scout, and what writes recordings and texts into files.
func (d *daemon) openTransfers(folders recording.Folders) (err error) {
	s := d.options.Settings
	d.imports, err = importation.New(importation.Options{
		Folder: folders.From(recording.SourceImport), Store: d.store, Budget: d.budget, MostBytes: int64(s.Limits.UploadBytes), Keep: s.Uploads.Keep, Scope: d.options.Scope,
	})
	if err != nil {
		return err
	}
	d.exports, err = export.NewWorker(export.Options{
		Source: export.Source{Store: d.store, Folders: folders, JSON: api.TranscriptJSON}, Dir: filepath.Join(d.dir, exportsName), Keep: s.Exports.Keep, Budget: d.budget,
		Scope: d.options.Scope,
	})
	return err
}
