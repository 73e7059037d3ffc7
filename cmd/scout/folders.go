package main

import (
	"os"
	"path/filepath"
)

// modelFolders returns the folder of models and further ones that are only read. The folder is what the setting says; it is then
// the only one. Else it is var/models of the checkout in which this program was built, else models/ in the user's data folder, with
// the models beside an installed program (PREFIX/share/scout/models) read as well.
func modelFolders(setting string) (own string, shared []string, err error) {
	if setting != "" {
		return setting, nil, nil
	}
	program, err := programFolder()
	if err != nil {
		return "", nil, err
	}
	if built := filepath.Join(filepath.Dir(program), "var", "models"); filepath.Base(program) == "bin" && isFolder(built) {
		return built, nil, nil
	}
	own, err = dataFolder("", "models", "SCOUT_MODELS")
	if err != nil {
		return "", nil, err
	}
	if beside := filepath.Join(filepath.Dir(program), "share", "scout", "models"); beside != own && isFolder(beside) {
		shared = append(shared, beside)
	}
	return own, shared, nil
}

// modelsDir is where models are installed.
func (a *app) modelsDir() (string, error) {
	own, _, err := modelFolders(a.settings.modelsDir)
	return own, err
}

// programFolder is the folder in which this program lies, behind all links.
func programFolder() (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	if resolved, err := filepath.EvalSymlinks(self); err == nil {
		self = resolved
	}
	return filepath.Dir(self), nil
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// programBeside is where another program of Scout is: what the variable says, else beside this one, as it is built, else in
// PREFIX/lib/scout, as make install puts it.
func programBeside(name, variable string) (string, error) {
	if path := os.Getenv(variable); path != "" {
		return path, nil
	}
	folder, err := programFolder()
	if err != nil {
		return "", err
	}
	beside := filepath.Join(folder, name)
	if _, err := os.Stat(beside); err != nil {
		if installed := filepath.Join(filepath.Dir(folder), "lib", "scout", name); isFile(installed) {
			return installed, nil
		}
	}
	return beside, nil
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}
