"""Authors, their posts, and comments on them: who deletes an author, deletes what the author wrote."""

from foldstack import Service

from .authors import author, deletions
from .cascades import author_cleanup, post_cleanup
from .comments import comment, comments
from .posts import post, posts

service = Service(
    "blog",
    aggregates=[author, post, comment],
    projections=[deletions, posts, comments],
    cascades=[author_cleanup, post_cleanup],
)
