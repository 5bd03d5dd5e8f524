%% @doc The application. Nobody has to start it: the first `gosocket:open' does.
%%
%% Its variables, all optional, are read when a helper is started:
%%
%% <table border="1">
%% <tr><td>`helper'</td><td>path of the helper, a string; default `priv/gosocket' of this
%%     application. The environment variable `GOSOCKET_HELPER' goes before it.</td></tr>
%% <tr><td>`loops'</td><td>event loops of the helper, 1 to 16; default by the number of processors</td></tr>
%% <tr><td>`spin_us'</td><td>microseconds the helper polls before it sleeps, at most 1,000,000; 0: never</td></tr>
%% <tr><td>`log_level'</td><td>of the helper, which logs JSON lines to standard error: `debug', `info', `warn',
%%     `error'</td></tr>
%% <tr><td>`window'</td><td>bytes of a send that go with its first frame, and with each later
%%     one</td></tr>
%% <tr><td>`parked_limit'</td><td>bytes of payload that the helper keeps in all for sends that
%%     wait</td></tr>
%% <tr><td>`lane_spin'</td><td>rounds the lane polls for the next message before it sleeps, while at
%%     most 16 processes call; default 60, 0: never</td></tr>
%% <tr><td>`caller_spin'</td><td>rounds a caller polls for the answer of a call that never waits,
%%     while at most two processes call; default 15, 0: never</td></tr>
%% <tr><td>`capabilities'</td><td>what the helper keeps of the capabilities that it was started with, a list
%%     of names as in capabilities(7): `[net_raw, net_bind_service]'; default all of them</td></tr>
%% <tr><td>`allow'</td><td>the allow-list: what sockets may be used for, a list of `{Rule, Elements}' or a
%%     map of the same; default anything. The rules stand in docs/security.md</td></tr>
%% <tr><td>`system_call_filter', `landlock'</td><td>whether the kernel refuses the helper other system calls than
%%     it makes, and files and ports beside those of `allow'; default `false'</td></tr>
%% <tr><td>`lanes'</td><td>lanes with names, a list or map of `{Name, Settings}': {@link gosocket_lanes}</td></tr>
%% <tr><td>`default_lanes'</td><td>how many lanes there are for sockets that name none, default 1</td></tr>
%% <tr><td>`use_registry'</td><td>whether sockets are listed by `gosocket:which_sockets/0,1'; default
%%     `true'. Set by `gosocket:use_registry/1'.</td></tr>
%% </table>
-module(gosocket_app).

-behaviour(application).

-export([start/2,
         stop/1]).

-spec start(application:start_type(), term()) -> {ok, pid()} | {error, term()}.
start(_Type, _Args) ->
    case gosocket_sup:start_link() of
        {ok, Sup} ->
            ok = gosocket_names:start_configured(),
            {ok, Sup};
        ignore -> {error, ignore};
        {error, Reason} -> {error, Reason}
    end.

-spec stop(term()) -> ok.
stop(_State) ->
    ok.
