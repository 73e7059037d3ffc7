package prepare

import (
	"context"
	"path/filepath"
)

// Ensure returns the prepared model in dir, which it prepares first where there is none, where it comes from
// another recipe or other weights, or where a file has another size than it was written with. Made tells
// whether it did. Errors are those of Prepare, and of reading the originals.
func Ensure(ctx context.Context, src Source, dir string, opt Options) (result Result, made bool, err error) {
	err = CheckSizes(dir, src, opt)
	switch {
	case err == nil:
		manifest, err := ReadManifest(dir)
		if err != nil {
			return Result{}, false, err
		}
		return Result{
			Encoder: filepath.Join(dir, EncoderFile), Decoder: filepath.Join(dir, DecoderFile), Manifest: manifest,
		}, false, nil
	case !CanPrepare(err):
		return Result{}, false, err
	}
	result, err = Prepare(ctx, src, dir, opt)
	return result, err == nil, err
}
