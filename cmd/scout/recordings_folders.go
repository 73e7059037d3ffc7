package main

import (
	"context"
	"fmt"
	"net/url"
	"time"

	"github.com/scout-speech/scout"
	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/settings"
)

// openRecordings opens the folder of the recorder that the settings name. It creates a missing folder, unless a flag names it.
func (a *app) openRecordings() (*recording.Folder, error) {
	dir, err := a.namedRecordings()
	if err != nil {
		return nil, err
	}
	return recording.OpenFolder(dir)
}

// makeRecordings is like openRecordings, but always creates a missing folder.
func (a *app) makeRecordings() (*recording.Folder, error) {
	dir, err := a.recordingsDir()
	if err != nil {
		return nil, err
	}
	return recording.OpenFolder(dir)
}

// namedRecordings returns the folder of the recorder. A folder that a flag names must exist.
func (a *app) namedRecordings() (string, error) {
	dir, err := a.recordingsDir()
	if err != nil {
		return "", err
	}
	return dir, a.CheckNamedFolder("recordings.dir", dir)
}

// folders opens all folders of recordings that exist. A folder of the recorder that a flag names is the only one.
func (a *app) folders() (recording.Folders, error) {
	dir, err := a.namedRecordings()
	if err != nil {
		return nil, err
	}
	return recording.FindFolders(dir, a.besides())
}

// besides is the data folder, in which the other folders of recordings are; empty where they do not count, or where there is none.
func (a *app) besides() string {
	dir, err := a.Settings.DataDir()
	if err != nil || a.Settings.Origin("recordings.dir").Kind == settings.FromFlag {
		return ""
	}
	return dir
}

// lookIntoRecordings opens the folders for a command that changes nothing. If nobody is recording into a folder, it repairs what a crash left
// behind there, and says so.
func (a *app) lookIntoRecordings(ctx context.Context) (recording.Folders, recording.RepairReport, error) {
	folders, err := a.folders()
	if err != nil {
		return nil, recording.RepairReport{}, err
	}
	var all recording.RepairReport
	for _, folder := range folders {
		intact, report, err := folder.Intact()
		if !intact && err == nil {
			report, err = folder.Recover()
			switch scout.CodeOf(err) {
			case scout.CodeRecordingLocked, scout.CodeFilePermission: // its recorder repaired when it began; what may only be read stays as it is
				report, err = recording.RepairReport{}, nil
			}
		}
		for i := range report.Repaired {
			a.Notef("scout: %s\n", repairedText(&report.Repaired[i]))
		}
		all.Repaired, all.Problems = append(all.Repaired, report.Repaired...), append(all.Problems, report.Problems...)
		if err != nil {
			return folders, all, err
		}
	}
	a.tellRepaired(ctx, all.Repaired)
	return folders, all, nil
}

func repairedText(r *recording.Repaired) string {
	return fmt.Sprintf("recovered %s: %s (%s)", r.Manifest.ID, clock(r.Manifest.Duration()), r.Reason)
}

// whereRecordings names the folders, for people; that of the recorder also while it does not exist.
func (a *app) whereRecordings(folders recording.Folders) (string, error) {
	if len(folders) > 0 {
		return folders.Dirs(), nil
	}
	return a.recordingsDir()
}

// findRecording returns the recording that args name. Without args, it returns the one that is under way, or else the
// latest.
func (a *app) findRecording(folders recording.Folders, args []string) (recording.Place, error) {
	where, err := a.whereRecordings(folders)
	if err != nil {
		return recording.Place{}, err
	}
	none := scout.Errorf(scout.CodeRecordingNotFound, "no recordings in %s", where).WithHint("to make one: scout record")
	if len(folders) == 0 {
		return recording.Place{}, none
	}
	if len(args) > 0 {
		return folders.Find(args[0])
	}
	list, _, err := folders.List()
	if err != nil {
		return recording.Place{}, err
	}
	if len(list) == 0 {
		return recording.Place{}, none
	}
	found := list[len(list)-1]
	for i := range list {
		e := list[i]
		mine := e.Folder.Source() == recording.SourceMicrophone
		if e.State == recording.StateRecording && (mine || found.State != recording.StateRecording) {
			found = e
		}
	}
	return recording.Place{Folder: found.Folder, ID: found.ID}, nil
}

// findRecordings returns the recordings that args name. All are found before one is changed.
func findRecordings(args []string, find func(part string) (recording.Place, error)) ([]recording.Place, error) {
	places := make([]recording.Place, len(args))
	for i, arg := range args {
		var err error
		if places[i], err = find(arg); err != nil {
			return nil, err
		}
	}
	return places, nil
}

// changeRecordings changes each of these recordings, and lets a running daemon see it.
//
//	done  deleted, trashed, restored
//	line  what is printed of each
func (a *app) changeRecordings(ctx context.Context, places []recording.Place, what recording.ChangeKind, done string, asJSON bool, line func(recording.Place) string) error {
	ids, at := make([]string, len(places)), make(map[string]recording.Place, len(places))
	for i, p := range places {
		ids[i] = string(p.ID)
		at[ids[i]] = p
	}
	err := a.changeEach(done, ids, asJSON, func(id string) (any, string, error) {
		p := at[id]
		return id, line(p), p.Folder.Change(p.ID, what)
	})
	a.tellDaemon(ctx, ids)
	return err
}

// daemonSeesWithin is how long a command waits until the daemon has seen what was changed. One that does not answer sees it when somebody
// asks for the recording, or at its next start.
const daemonSeesWithin = 5 * time.Second

// tellDaemon lets the daemon, if one runs, look at the files of these recordings.
func (a *app) tellDaemon(ctx context.Context, ids []string) {
	if len(ids) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, daemonSeesWithin)
	defer cancel()
	c, err := a.reach(ctx, startNone, true)
	if err != nil {
		return
	}
	defer c.Close()
	for _, id := range ids {
		_ = c.Get(ctx, "/recordings/"+url.PathEscape(id), &v1.RecordingInfo{}) // the answer is of no interest
	}
}

// tellRepaired is tellDaemon for what was repaired.
func (a *app) tellRepaired(ctx context.Context, repaired []recording.Repaired) {
	ids := make([]string, len(repaired))
	for i := range repaired {
		ids[i] = string(repaired[i].Manifest.ID)
	}
	a.tellDaemon(ctx, ids)
}
