"""From evidence to what people read: an HTML incident document, Markdown, terminal lines, and a manifest.

Nothing here knows pytest or a running stack; `rollback_drills.evidence.model` is all that comes in. `model.fold` turns
it into a view, the renderers only lay that view out.
"""
