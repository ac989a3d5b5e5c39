## install        the program, the library, its header and pkg-config file, the manual page; PREFIX and DESTDIR as usual
.PHONY: install uninstall
BINDIR     ?= $(PREFIX)/bin
LIBDIR     ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
MANDIR     ?= $(PREFIX)/share/man
INSTALL    ?= install

install: $(BUILD)/lathe $(BUILD)/liblathe.a $(BUILD)/lathe.1 $(BUILD)/lathe.pc
	$(INSTALL) -d $(DESTDIR)$(BINDIR) $(DESTDIR)$(LIBDIR)/pkgconfig $(DESTDIR)$(INCLUDEDIR) $(DESTDIR)$(MANDIR)/man1
	$(INSTALL) -m 755 $(BUILD)/lathe $(DESTDIR)$(BINDIR)/lathe
	$(INSTALL) -m 644 $(BUILD)/liblathe.a $(DESTDIR)$(LIBDIR)/liblathe.a
	$(INSTALL) -m 644 src/lathe.h $(DESTDIR)$(INCLUDEDIR)/lathe.h
	$(INSTALL) -m 644 $(BUILD)/lathe.pc $(DESTDIR)$(LIBDIR)/pkgconfig/lathe.pc
	$(INSTALL) -m 644 $(BUILD)/lathe.1 $(DESTDIR)$(MANDIR)/man1/lathe.1

## uninstall      removes what install put there
uninstall:
	rm -f $(DESTDIR)$(BINDIR)/lathe $(DESTDIR)$(LIBDIR)/liblathe.a $(DESTDIR)$(INCLUDEDIR)/lathe.h \
	      $(DESTDIR)$(LIBDIR)/pkgconfig/lathe.pc $(DESTDIR)$(MANDIR)/man1/lathe.1

$(BUILD)/lathe.1: $(BUILD)/lathe
	$(BUILD)/lathe --man >$@.tmp && mv $@.tmp $@

# The library is a static one, so what it needs is not private to it. Written anew every time: PREFIX may have changed.
.PHONY: $(BUILD)/lathe.pc
$(BUILD)/lathe.pc:
	@mkdir -p $(@D)
	@printf '%s\n' 'prefix=$(PREFIX)' 'libdir=$(LIBDIR)' 'includedir=$(INCLUDEDIR)' '' 'Name: lathe' \
	  'Description: fine-tuning language models on a CPU' 'Version: $(VERSION)' 'Requires: $(PKGS)' \
	  'Cflags: -I$${includedir}' 'Libs: -L$${libdir} -llathe -fopenmp -lm -lpthread' >$@
