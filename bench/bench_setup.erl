%% @doc Puts a contender in place: the settings that gosocket's application starts with, and which
%% program its lane drives.
-module(bench_setup).

-export([use/1, spin_us/0, echo_port/0, contender/1]).

-export_type([contender/0, settings/0]).

-type settings() :: none | [{Variable :: atom(), term()}].

-type contender() :: #{api := bench_api:api(), settings := settings()}.

%% What the echo port gets where the helper has its default.
-define(SPIN_US, 60).

-spec spin_us() -> pos_integer().
spin_us() -> ?SPIN_US.

%% @doc Settings under which nothing spins: helper, lane and caller.
-spec off() -> [{atom(), term()}].
off() -> [{spin_us, 0}, {lane_spin, 0}, {caller_spin, 0}].

-spec contender(atom()) -> contender().
contender(gosocket) -> #{api => gosocket, settings => []};
contender(node_message) -> contender(gosocket);
contender(gosocket_off) -> #{api => gosocket, settings => off()};
contender(echo) -> #{api => gosocket, settings => [{helper, echo_port()}, {spin_us, ?SPIN_US}]};
contender(echo_off) -> #{api => gosocket, settings => [{helper, echo_port()} | off()]};
contender(nif) -> #{api => socket, settings => none};
contender(gen_tcp) -> #{api => gen_tcp, settings => none};
contender(gen_tcp_active) -> #{api => gen_tcp_active, settings => none}.

-spec echo_port() -> file:filename().
echo_port() -> filename:join(filename:dirname(code:which(?MODULE)), "echo_port").

%% @doc Restarts the application when it does not run with these settings.
-spec use(settings()) -> ok.
use(none) ->
    ok;
use(Settings) ->
    case get(?MODULE) of
        Settings -> ok;
        _ -> restart(Settings)
    end.

-spec restart(settings()) -> ok.
restart(Settings) ->
    _ = application:stop(gosocket),
    _ = application:load(gosocket),
    [application:unset_env(gosocket, Variable) || Variable <- [helper, spin_us, lane_spin, caller_spin]],
    [application:set_env(gosocket, Variable, Value) || {Variable, Value} <- Settings],
    {ok, _} = application:ensure_all_started(gosocket),
    _ = put(?MODULE, Settings),
    ok.
