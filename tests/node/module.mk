# Peers that are not ours, from npm: Azurite and Kusto's Node SDK. What package-lock.json pins is installed once, into
# a folder named after the lock file's hash; tests find it by the link `current`.
NODE_HASH  := $(shell cat tests/node/package.json tests/node/package-lock.json | sha256sum | cut -c 1-16)
NODE_DIR   := build/node

node: $(NODE_DIR)/$(NODE_HASH)/.complete  ## install the test peers that come from npm (Azurite, Kusto's SDK)
	@ln -sfn $(NODE_HASH) $(NODE_DIR)/current

# Into a folder beside it first: an install that was broken off is never taken for a whole one.
$(NODE_DIR)/$(NODE_HASH)/.complete:
	@rm -rf $(NODE_DIR)/*; mkdir -p $(NODE_DIR)/new
	@cp tests/node/package.json tests/node/package-lock.json tests/node/.npmrc $(NODE_DIR)/new
	@cd $(NODE_DIR)/new && npm ci --silent --no-progress >npm.log 2>&1 || { cat npm.log; \
	    echo "make node: npm ci failed (above): it needs npm and its registry; see tests/node/" >&2; exit 1; }
	@touch $(NODE_DIR)/new/.complete && mv $(NODE_DIR)/new $(NODE_DIR)/$(NODE_HASH)
.PHONY: node
