package api

import (
	"context"
	"encoding/base64"
	"regexp"
	"slices"

	"github.com/scout-speech/scout"
	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/upload"
)

// uploadID is the form of the ids of uploads.
var uploadID = regexp.MustCompile(`^upl_[0-9a-z]{26}$`)

// uploads lists them. The cursor is the id of the last one.
func (s *Server) uploads(ctx context.Context, in *struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"200" default:"50"`
	Cursor string `query:"cursor"`
	Order  string `query:"order" enum:"desc,asc"`
},
) (*body[v1.Page[v1.Upload]], error) {
	after, err := base64.RawURLEncoding.DecodeString(in.Cursor)
	if err != nil || in.Cursor != "" && !uploadID.Match(after) {
		return nil, scout.Errorf(scout.CodeInvalidArgument, "the cursor does not belong to this list").WithHint("begin again without a cursor")
	}
	list := s.services.Uploads.List(clientOf(ctx))
	if in.Order == "asc" {
		slices.Reverse(list)
	}
	out := v1.Page[v1.Upload]{Data: []v1.Upload{}}
	for i := range list {
		u := &list[i]
		if in.Cursor != "" && (u.ID >= string(after)) == (in.Order != "asc") || in.Cursor != "" && u.ID == string(after) {
			continue
		}
		if len(out.Data) == in.Limit {
			out.NextCursor = base64.RawURLEncoding.EncodeToString([]byte(out.Data[len(out.Data)-1].ID))
			break
		}
		out.Data = append(out.Data, uploadOf(u))
	}
	return answer(out), nil
}

func uploadOf(u *upload.Status) v1.Upload {
	out := v1.Upload{ID: u.ID, Filename: u.Name, Offset: u.Offset, Client: u.Client, CreatedAt: v1.Time{Time: u.CreatedAt}, ExpiresAt: v1.Time{Time: u.ExpiresAt}, JobID: u.Job}
	if u.Length != upload.Unknown {
		out.Length = &u.Length
	}
	if u.State == upload.Done {
		out.RecordingID = u.Recording
	}
	return out
}
