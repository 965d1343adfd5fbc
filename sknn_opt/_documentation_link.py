"""Where the documentation is, and the link to it that notebooks show beside an estimator."""

import sys

SITE = "https://sknn-opt.readthedocs.io/en/stable"


class DocumentationLinkMixin:
    """Links the diagram that notebooks show of an object to the page of its class.

    The names are those that scikit-learn documents for this. The classes of users, though they
    derive from ours, have no page.
    """

    _doc_link_module = "sknn_opt"
    _doc_link_template = SITE + "/{page}.html"

    def _doc_link_url_param_generator(self):
        cls = type(self)
        parts = cls.__module__.split(".")
        for n in range(1, len(parts) + 1):
            public = ".".join(parts[:n])
            if getattr(sys.modules[public], cls.__name__, None) is cls:
                return {"page": f"generated/{public}.{cls.__name__}"}
        return {"page": "api"}
