package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"
)

func newConfigCommand() *cobra.Command {
	return newGroup("config", "Check and show the configuration of the server", newConfigCheckCommand(), newConfigShowCommand())
}

func newConfigCheckCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Check flags, environment and file without starting",
		Long: `Check flags, environment and configuration file as 'waybell serve' would read
them, without starting anything. Exit code 2 when something is wrong.`,
		Example: "  waybell config check --config waybell.yaml",
		Args:    exactly(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := loadSettings(cmd.Flags(), os.Environ())
			if err != nil {
				return err
			}
			where := ""
			if c.path != "" {
				where = " (" + c.path + ")"
			}
			fmt.Fprintf(cmd.ErrOrStderr(), "The configuration is good%s.\n", where)
			return nil
		},
	}
	addSettingFlags(cmd.Flags())
	return cmd
}

// settingView is one line of `config show`.
type settingView struct {
	Name   string `json:"name"`
	Value  string `json:"value"`
	Source string `json:"source"`
}

func newConfigShowCommand() *cobra.Command {
	var out output
	cmd := &cobra.Command{
		Use:   "show",
		Short: "Show every setting, its value and where it comes from",
		Long: `Show every setting as 'waybell serve' would use it, and where it comes from:
a flag, the environment, a line of the file, or the default. Secrets are masked.`,
		Example: "  waybell config show --config waybell.yaml -o json",
		Args:    exactly(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := loadSettings(cmd.Flags(), os.Environ())
			if err != nil {
				return err
			}
			views := c.views()
			if out.json() {
				return out.value(cmd, views)
			}
			t := newTable("SETTING", "VALUE", "SOURCE")
			for _, v := range views {
				t.add(v.Name, v.Value, v.Source)
			}
			return t.write(cmd.OutOrStdout())
		},
	}
	addSettingFlags(cmd.Flags())
	out.flag(cmd)
	return cmd
}

func (c *configuration) views() []settingView {
	var views []settingView
	for _, row := range c.table() {
		views = append(views, settingView{row.name, row.value.String(), c.origins[row.name]})
	}
	for _, s := range c.structures() {
		if origin, ok := c.origins[s.name]; ok {
			views = append(views, settingView{s.name, "(in the file)", origin})
		}
	}
	return views
}
