"""The library behind softalign: everything that computes, and nothing that knows of DVC.

The sub-packages follow the data: ``corpora`` and ``text`` (prepare), ``encoders`` (teacher and student), ``losses`` and
``training``, ``mining``, ``evaluation``, ``reporting``. The modules beside them are the ground they stand on.
"""

__version__ = "0.1.0"
