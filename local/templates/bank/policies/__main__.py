"""The rules that every stack keeps to; add your own to the list."""

from foldstack.policies.pack import pack

pack()
