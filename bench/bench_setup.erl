%% @doc Puts a contender in place: the settings that gosocket's application starts with, and which
%% program its lane drives.
-module(bench_setup).

-export([use/1, fresh/1, helpers/0, os_pids/0, spin_us/0, program/1, contender/1, form/0]).

-export_type([contender/0, settings/0]).

-type settings() :: none | [{Variable :: atom(), term()}].

-type contender() :: #{api := bench_api:api(), settings := settings()}.

%% What the port programs get where the helper has its default.
-define(SPIN_US, 60).

-spec spin_us() -> pos_integer().
spin_us() -> ?SPIN_US.

%% @doc Settings under which nothing spins: helper, lane and caller.
-spec off() -> [{atom(), term()}].
off() -> [{spin_us, 0}, {lane_spin, 0}, {caller_spin, 0}].

-spec contender(atom()) -> contender().
contender(gosocket) -> #{api => gosocket, settings => []};
contender(gosocket_form) -> #{api => gosocket, settings => form()};
contender(gosocket_off) -> #{api => gosocket, settings => off()};
contender(echo) -> #{api => gosocket, settings => [{helper, program("echo_port")}, {spin_us, ?SPIN_US}]};
contender(echo_off) -> #{api => gosocket, settings => [{helper, program("echo_port")} | off()]};
contender(nif) -> #{api => socket, settings => none};
%% who needs neither: a bare port program, another node
contender(none) -> #{api => none, settings => none};
contender(gen_tcp) -> #{api => gen_tcp, settings => none};
contender(gen_tcp_active) -> #{api => gen_tcp_active, settings => none}.

%% @doc The form of gosocket that is measured beside gosocket itself.
-spec form() -> settings().
form() ->
    case os:getenv("BESIDE", "") of
        "" -> none;
        "confined" -> [{capabilities, []}, {system_call_filter, true}, {allow, allowed()}];
        Path -> [{helper, Path}]
    end.

%% Every rule that the calls of a case are held against, and each of several elements.
-spec allowed() -> [{atom(), [term()]}].
allowed() ->
    [{domains, [inet, local]}, {types, [stream, dgram]}, {protocols, [tcp, udp]}, {local_ports, [80, 443, 0, {1024, 65535}]},
     {local_addresses, ["10.0.0.0/8", "127.0.0.0/8"]}, {remote_ports, [53, 443, {1024, 65535}]},
     {remote_addresses, ["10.0.0.0/8", "192.168.0.0/16", "127.0.0.0/8"]}, {devices, ["lo"]}, {namespaces, []},
     {paths, ["/run/*", "/tmp/*", "@*"]}, {descriptors, [vm, received]}].

%% @doc One of the programs in C, which bench/run puts beside the modules.
-spec program(string()) -> file:filename().
program(Name) -> filename:join(filename:dirname(code:which(?MODULE)), Name).

%% @doc The ports of gosocket's helpers; a program that stands in for one is none.
-spec helpers() -> [port()].
helpers() ->
    [Port || Port <- erlang:ports(), {name, Path} <- [erlang:port_info(Port, name)], filename:basename(Path) =:= "gosocket"].

-spec os_pids() -> [Pid :: string()].
os_pids() ->
    [integer_to_list(Pid) || Port <- helpers(), {os_pid, Pid} <- [erlang:port_info(Port, os_pid)]].

%% @doc Restarts the application when it does not run with these settings.
-spec use(settings()) -> ok.
use(none) ->
    ok;
use(Settings) ->
    case get(?MODULE) of
        Settings -> ok;
        _ -> fresh(Settings)
    end.

%% @doc Restarts it in any case.
-spec fresh(settings()) -> ok.
fresh(none) ->
    ok;
fresh(Settings) ->
    _ = application:stop(gosocket),
    _ = application:load(gosocket),
    [application:unset_env(gosocket, Variable) || Variable <- [helper, spin_us, lane_spin, caller_spin, capabilities, system_call_filter, allow]],
    [application:set_env(gosocket, Variable, Value) || {Variable, Value} <- Settings],
    {ok, _} = application:ensure_all_started(gosocket),
    _ = put(?MODULE, Settings),
    ok.
