%% What the configuration says of lanes, and what is said when one is started: settings, rights, when it starts.
-module(gosocket_lanes_settings_SUITE).

-export([
    lanes_of_the_configuration_start_when_they_are_used/1,
    lanes_of_the_configuration_start_with_the_application/1,
    default_lanes_are_several_from_the_first_open_on/1,
    settings_are_those_of_the_lane/1,
    programs_are_those_of_the_configuration/1,
    configurations_that_are_not_understood_are_einval/1,
    rounds_have_a_limit/1,
    start_of_a_bad_configuration_has_one_answer/1,
    start_narrows_what_a_use_has_started_before/1,
    rights_are_those_of_the_lane/1,
    start_takes_rights_away_only/1
]).

%% In a fresh node.
-export([open_in_each_lane/0]).

-import(gosocket_test_lanes, [helper/1, with_lane/2, fresh/2]).

-define(OURS, gosocket_test_lib:cases(?MODULE)).
-define(ONE_LANE, [lanes_of_the_configuration_start_when_they_are_used]).
-include("gosocket_test.hrl").

%% ---- Configuration

-spec lanes_of_the_configuration_start_when_they_are_used(config()) -> term().
lanes_of_the_configuration_start_when_they_are_used(_) ->
    {Results, _} = fresh([{lanes, [{one, #{}}, {other, [{loops, 1}]}]}], fun() ->
        {ok, Default} = ?S:open(inet, dgram),
        First = gosocket_lanes:which(),
        {ok, One} = ?S:open(inet, dgram, udp, #{lane => one}),
        Second = gosocket_lanes:which(),
        {ok, Other} = gosocket_lanes:start(other, #{}),
        Third = gosocket_lanes:which(),
        Already = [gosocket_lanes:start(other, #{}), gosocket_lanes:start(one, #{})],
        Pids = [maps:get(pid, gosocket_lanes:info(Name)) || Name <- [other, one]],
        ok = gosocket_lanes:stop(one),
        Closed = ?S:sockname(One),
        {ok, Again} = ?S:open(inet, dgram, udp, #{lane => one}),
        {First, Second, Third, {Already, [{error, {already_started, Pid}} || Pid <- Pids]}, Other =:= hd(Pids), Closed,
         [?S:close(Socket) || Socket <- [Default, Again]]}
    end),
    ?assertMatch({[default], [default, one], [default, one, other], {Same, Same}, true, {error, closed}, [ok, ok]}, Results).

-spec lanes_of_the_configuration_start_with_the_application(config()) -> term().
lanes_of_the_configuration_start_with_the_application(_) ->
    Lanes = #{early => #{start => application}, late => #{}, broken => #{start => application, loops => 17},
              wrong => #{start => application, unknown => 1}},
    {Results, _} = fresh([{lanes, Lanes}], fun() ->
        {ok, _} = application:ensure_all_started(gosocket),
        ok = gosocket_test_lib:wait_until(fun() -> gosocket_lanes:which() =:= [early] end),
        Broken = [?S:open(inet, dgram, udp, #{lane => Name}) || Name <- [broken, wrong]],
        {ok, Socket} = ?S:open(inet, dgram, udp, #{lane => early}),
        Running = gosocket_lanes:which(),
        ok = application:stop(gosocket),
        {Running, Broken, ?S:sockname(Socket)}
    end),
    ?assertEqual({[early], [{error, einval}, {error, einval}], {error, closed}}, Results).

%% A node reads what it was started with when it loads the application, which an open does that nobody has started it for.
-spec default_lanes_are_several_from_the_first_open_on(config()) -> term().
default_lanes_are_several_from_the_first_open_on(_) ->
    Node = gosocket_test_node:start(?MODULE, open_in_each_lane, [], [], ["-gosocket", "default_lanes", "3"]),
    {{returned, Lanes}, _} = gosocket_test_node:wait(Node),
    ?assertEqual([[{default, Which}, {default, Which}] || Which <- [3, 2, 1]], Lanes).

%% In the fresh node: of each default lane, the last one first, the names of what a process of it opens.
-spec open_in_each_lane() -> [[gosocket_lanes:name()]].
open_in_each_lane() ->
    Open = fun() -> {ok, Socket} = ?S:open(inet, dgram), gosocket_names:of_socket(Socket) end,
    [gosocket_test_lib:in_lane(Which - 1, 3, fun() -> [Open(), Open()] end) || Which <- [3, 2, 1]].

%% What the helper was started with, what sockets get of it, and whether another lane has it.
-spec settings_are_those_of_the_lane(config()) -> term().
settings_are_those_of_the_lane(_) ->
    Own = #{loops => 2, spin_us => 7, window => 65536, parked_limit => 1 bsl 20, send_ahead => 4096, log_level => error, use_registry => false},
    {{Flags, Values, Registered, Helper}, Printed} = fresh([{loops, 1}, {spin_us, 5}, {lanes, [{own, Own#{debug => true}}, {same, #{}}]}], fun() ->
        Open = fun(Name) -> {ok, Socket} = ?S:open(inet, stream, tcp, #{lane => Name}), Socket end,
        Sockets = [Open(Name) || Name <- [default, own, same]],
        {ok, _} = gosocket_lanes:start(run, Own#{loops => 3}),
        Run = Open(run),
        {[begin
              {ok, CommandLine} = file:read_file(["/proc/", integer_to_list(helper(Name)), "/cmdline"]),
              tl(binary:split(CommandLine, <<0>>, [global]))
          end || Name <- [default, own, same, run]],
         [?S:getopt(Socket, otp, send_ahead) || Socket <- Sockets ++ [Run]],
         [lists:member(Socket, ?S:which_sockets()) || Socket <- Sockets ++ [Run]],
         helper(own)}
    end),
    Flag = fun(Name, Words) ->
        case lists:dropwhile(fun(Word) -> Word =/= Name end, Words) of
            [_, Value | _] -> binary_to_integer(Value);
            [] -> none
        end
    end,
    ?assertEqual([[Flag(Name, Words) || Words <- Flags] || Name <- [<<"-loops">>, <<"-spin-us">>, <<"-window">>, <<"-parked-limit">>]],
                 [[1, 2, 1, 3], [5, 7, 5, 7], [none, 65536, none, 65536], [none, 1 bsl 20, none, 1 bsl 20]]),
    ?assertEqual([{ok, 0}, {ok, 4096}, {ok, 0}, {ok, 4096}], Values),
    ?assertEqual([true, false, true, false], Registered),
    %% one lane is debugged: two calls, no more
    Debugged = [Line || Line <- binary:split(Printed, <<"\n">>, [global]), re:run(Line, "\"call\":") =/= nomatch],
    ?assertMatch([_, _], Debugged),
    ?assertEqual([], [Line || Line <- Debugged, binary:match(Line, iolist_to_binary(["\"pid\":", integer_to_list(Helper), ","])) =:= nomatch]).

%% Another program for one lane, which does not run; nobody else can name one.
-spec programs_are_those_of_the_configuration(config()) -> term().
programs_are_those_of_the_configuration(_) ->
    {Results, _} = fresh([{lanes, [{own, #{helper => "/nowhere/helper"}}]}], fun() ->
        [{Open, _}, _] = [?S:open(inet, dgram, udp, #{lane => Name}) || Name <- [default, own]],
        [Open, ?S:open(inet, dgram, udp, #{lane => own}), gosocket_lanes:start(own, #{})]
    end),
    ?assertEqual([ok, {error, enoent}, {error, enoent}], Results),
    ?assertError(badarg, gosocket_lanes:start(own, #{helper => "/nowhere/helper"})).

-spec configurations_that_are_not_understood_are_einval(config()) -> term().
configurations_that_are_not_understood_are_einval(_) ->
    {Results, _} = fresh([], fun() ->
        ok = application:load(gosocket),
        [begin
             _ = application:stop(gosocket),
             ok = application:set_env(gosocket, Variable, Value),
             Result = {Variable, Value, ?S:open(inet, dgram, udp, #{lane => Name})},
             ok = application:unset_env(gosocket, Variable),
             Result
         end || {Variable, Value, Name} <- [{lanes, 1, a}, {lanes, [a], a}, {lanes, [{"a", #{}}], a}, {lanes, [{default, #{}}], a}, {lanes, [{a, 1}], a},
                                            {lanes, [{a, #{loop => 1}}], a}, {lanes, [{a, #{loops => many}}], a}, {lanes, [{a, #{lane_spin => -1}}], a},
                                            {lanes, [{a, #{caller_spin => 1 bsl 32}}], a}, {lanes, [{a, #{lane_spin => 1 bsl 64}}], a},
                                            {caller_spin, 1 bsl 64, default}, {lane_spin, 1 bsl 64, default},
                                            {lanes, [{a, #{allow => [{tcp}]}}], a}, {lanes, [{a, #{start => now}}], a},
                                            {lanes, 1, default}, {lanes, [{default, #{allow => []}}], default}, {lanes, [a], default},
                                            {default_lanes, 0, default}, {default_lanes, 65, default}, {default_lanes, two, default}]]
    end),
    ?assertEqual([], [Result || Result <- Results, element(3, Result) =/= {error, einval}]).

%% Up to there a lane runs; beyond that nothing is started.
-spec rounds_have_a_limit(config()) -> term().
rounds_have_a_limit(_) ->
    [begin
         with_lane(#{Setting => 16#ffffffff}, fun(Name) -> ?assertMatch({ok, _}, ?S:open(inet, dgram, udp, #{lane => Name})) end),
         [?assertError(badarg, gosocket_lanes:start(beyond, #{Setting => Rounds})) || Rounds <- [1 bsl 32, 1 bsl 64, 1 bsl 100]],
         ?assertEqual({error, {no_lane, beyond}}, gosocket_lanes:info(beyond))
     end || Setting <- [lane_spin, caller_spin]].

%% Whatever was before: nothing, uses that failed, other starts, or several of these at a time.
-spec start_of_a_bad_configuration_has_one_answer(config()) -> term().
start_of_a_bad_configuration_has_one_answer(_) ->
    Bad = [{unknown, #{unknown => 1}}, {loops, #{loops => 17}}, {rule, #{allow => [{tcp}]}}, {helper, #{helper => "/nowhere/helper"}}],
    {Results, _} = fresh([{lanes, Bad}], fun() ->
        Open = fun(Name) -> ?S:open(inet, dgram, udp, #{lane => Name}) end,
        Start = fun(Name, Given) -> try gosocket_lanes:start(Name, Given) catch error:Reason -> Reason end end,
        Beside = fun(Call) -> gosocket_test_lib:start(fun() -> Call() end) end,
        [begin
             First = Start(Name, #{}),
             _ = Open(Name),
             Behind = [Start(Name, #{}), Start(Name, #{})],
             Uses = [Beside(fun() -> Open(Name) end) || _ <- lists:seq(1, 5)],
             Starts = [Beside(fun() -> Start(Name, #{}) end) || _ <- lists:seq(1, 5)],
             [gosocket_test_lib:result(Use) || Use <- Uses],
             Among = [gosocket_test_lib:result(Starting) || Starting <- Starts],
             _ = Open(Name),
             {Name, lists:usort([First | Behind ++ Among]), Start(Name, #{spin_us => 0})}
         end || {Name, _} <- Bad]
    end),
    ?assertEqual([{unknown, [{error, einval}], {error, einval}}, {loops, [{error, einval}], {error, einval}}, {rule, [{error, einval}], {error, einval}},
                  {helper, [{error, enoent}], {error, enoent}}], Results).

%% It is not the one that runs already which has these rights, nor does a use before bring others back.
-spec start_narrows_what_a_use_has_started_before(config()) -> term().
start_narrows_what_a_use_has_started_before(_) ->
    {Results, _} = fresh([{lanes, [{own, #{}}]}], fun() ->
        Open = fun(Domain) -> element(1, ?S:open(Domain, dgram, default, #{lane => own})) end,
        Narrow = #{allow => [{domains, [inet]}]},
        Before = Open(local),
        {error, {already_started, Lane}} = gosocket_lanes:start(own, Narrow),
        Wide = Open(local),
        exit(Lane, kill),
        ok = gosocket_test_lib:wait_until(fun() -> not is_process_alive(Lane) end),
        {ok, Narrowed} = gosocket_lanes:start(own, Narrow),
        Refused = Open(local),
        exit(Narrowed, kill),
        ok = gosocket_test_lib:wait_until(fun() -> not is_process_alive(Narrowed) end),
        Again = gosocket_lanes:start(own, #{}),
        {Before, Wide, Refused, element(1, element(2, Again)), Open(local), Open(inet)}
    end),
    ?assertEqual({ok, ok, error, already_started, error, ok}, Results).

%% ---- Rights

-spec rights_are_those_of_the_lane(config()) -> term().
rights_are_those_of_the_lane(_) ->
    Raw = fun(Name) -> element(2, ?S:open(inet, raw, icmp, #{lane => Name})) end,
    Lanes = [{raw, #{capabilities => [net_raw]}}, {listed, #{capabilities => [net_raw], allow => [{types, [stream, dgram]}]}}],
    {{Results, Helpers, Allowed}, _} = fresh([{capabilities, []}, {lanes, Lanes}], fun() ->
        {ok, _} = gosocket_lanes:start(run, #{capabilities => [net_raw]}),
        {[Raw(Name) || Name <- [default, raw, listed, run]],
         [maps:get(capabilities, maps:get(protections, gosocket_lanes:info(Name))) || Name <- [default, raw, listed, run]],
         maps:get(allow, maps:get(protections, gosocket_lanes:info(listed)))}
    end),
    Held = [net_raw || is_tuple(hd(tl(Results)))],
    skip_unless(Held =/= [], "without the capability net_raw nobody has it"),
    ?assertMatch([eperm, {'$socket', _}, eacces, eperm], Results),
    ?assertEqual({[[], Held, Held, []], [types]}, {Helpers, Allowed}).

%% Whatever is asked for, what the configuration forbids stays forbidden.
-spec start_takes_rights_away_only(config()) -> term().
start_takes_rights_away_only(_) ->
    Allow = [{domains, [inet]}, {local_ports, [0, {2000, 3000}]}],
    {Results, _} = fresh([{allow, Allow}, {lanes, [{own, #{allow => [{domains, [local]}]}}]}], fun() ->
        Asked = [#{}, #{allow => []}, #{allow => [{domains, [inet, inet6, packet]}]}, #{allow => #{domains => [inet6]}},
                 #{allow => [{local_ports, [{2500, 4000}]}]}, #{allow => [{types, [raw, stream]}]}],
        [begin
             {ok, _} = gosocket_lanes:start(Name, Given),
             Port = fun(Number) ->
                 {ok, Socket} = ?S:open(inet, dgram, udp, #{lane => Name}),
                 Answer = ?S:bind(Socket, #{family => inet, addr => loopback, port => Number}),
                 ok = ?S:close(Socket),
                 Answer =/= {error, eacces}
             end,
             Opens = fun(Domain, Type, Protocol) -> ?S:open(Domain, Type, Protocol, #{lane => Name}) =/= {error, eacces} end,
             Result = {Opens(inet6, dgram, udp), Opens(packet, raw, {raw, 3}), Opens(inet, raw, icmp), Opens(local, dgram, default),
                       Opens(inet, dgram, udp) andalso [Port(Number) || Number <- [2100, 2600, 3100]]},
             ok = gosocket_lanes:stop(Name),
             Result
         end || {Name, Given} <- [{run, Given} || Given <- Asked] ++ [{own, Given} || Given <- Asked]]
    end),
    InetOnly = [{false, false, false, false, [true, true, false]}, {false, false, false, false, [true, true, false]},
                {false, false, false, false, [true, true, false]}, {false, false, false, false, false},
                {false, false, false, false, [false, true, false]}, {false, false, false, false, false}],
    Local = {false, false, false, true, false},
    Nothing = {false, false, false, false, false},
    ?assertEqual(InetOnly ++ [Local, Local, Nothing, Nothing, Local, Nothing], Results).
