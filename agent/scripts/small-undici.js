/**
 * What dispatchers use of undici. The package's own entry loads all of it, with `fetch`, WebSocket, caches and mocks: half
 * a megabyte of code that a dispatcher never runs.
 */
import request from 'undici/lib/api/api-request.js'
import connect from 'undici/lib/core/connect.js'
import allErrors from 'undici/lib/core/errors.js'
import AgentOfAll from 'undici/lib/dispatcher/agent.js'
import Dispatcher from 'undici/lib/dispatcher/dispatcher.js'
import PoolOfOne from 'undici/lib/dispatcher/pool.js'

Dispatcher.prototype.request = request

// Not `export … from`: a bundler would pass this module by.
export const Agent = AgentOfAll
export const Pool = PoolOfOne
export const buildConnector = connect
export const errors = allErrors
