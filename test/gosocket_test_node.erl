%% Fresh nodes: one function call in a VM of its own, that knows the application's code and nothing else.
-module(gosocket_test_node).

-include("gosocket_test.hrl").

-export([start/4, start/5, start/7, wait/1, wait/2, os_pid/1, await_said/2, alone/1, alone/2]).
-export([main/0, call/1]).

-type a_node() :: #{port := port(), said := binary()}.

-export_type([a_node/0]).

-define(RESULT, "\nRESULT ").

%% What the call returns and what the node printed, its log included.
-spec wait(a_node()) -> {term(), Printed :: binary()}.
wait(Node) ->
    wait(Node, ?PATIENCE).

-spec wait(a_node(), timeout()) -> {term(), Printed :: binary()}.
wait(#{port := Port, said := Said} = Node, Timeout) ->
    receive
        {Port, {data, Data}} -> wait(Node#{said := <<Said/binary, Data/binary>>}, Timeout);
        {Port, {exit_status, Status}} -> returned(Status, binary:split(Said, <<?RESULT>>))
    after Timeout ->
        {os_pid, OsPid} = erlang:port_info(Port, os_pid),
        _ = os:cmd("kill -KILL " ++ integer_to_list(OsPid)),
        ct:fail({node_hangs, Said})
    end.

-spec returned(non_neg_integer(), [binary()]) -> {term(), binary()}.
returned(_, [Printed, Encoded]) ->
    [Line, More] = binary:split(Encoded, <<"\n">>),
    {binary_to_term(base64:decode(Line)), <<Printed/binary, More/binary>>};
returned(Status, [Printed]) ->
    {{exit_status, Status}, Printed}.

-spec start(module(), atom(), [term()], [{string(), string() | false}]) -> a_node().
start(Module, Function, Arguments, Environment) ->
    start(Module, Function, Arguments, Environment, []).

%% Options are further ones of erl(1).
-spec start(module(), atom(), [term()], [{string(), string() | false}], [string()]) -> a_node().
start(Module, Function, Arguments, Environment, Options) ->
    Paths = lists:usort([filename:absname(filename:dirname(code:which(Name))) || Name <- [?S, ?MODULE, Module]]),
    start(os:find_executable("erl"), Paths, Module, Function, Arguments, Environment, Options).

%% By another program that becomes erl(1), with the modules elsewhere.
-spec start(file:filename(), [file:filename()], module(), atom(), [term()], [{string(), string() | false}], [string()]) -> a_node().
start(Program, Paths, Module, Function, Arguments, Environment, Options) ->
    Call = base64:encode_to_string(term_to_binary({Module, Function, Arguments})),
    Port = open_port({spawn_executable, Program},
                     [{args, Options ++ ["-noshell", "-noinput", "-boot", "no_dot_erlang", "-pa" | Paths]
                           ++ ["-run", atom_to_list(?MODULE), "main", "-extra", Call]},
                      {env, Environment}, binary, exit_status, stderr_to_stdout]),
    #{port => Port, said => <<>>}.

%% The body of a case, in a node that shares nothing with what runs beside it: ends as it does there.
-spec alone(fun(() -> Result)) -> Result.
alone(Body) ->
    alone(Body, 4 * ?PATIENCE).

-spec alone(fun(() -> Result), timeout()) -> Result.
alone(Body, Timeout) ->
    {Outcome, Printed} = wait(start(?MODULE, call, [Body], []), Timeout),
    ct:log("~ts", [Printed]),
    case Outcome of
        {returned, Result} -> Result;
        {throw, Thrown} -> throw(Thrown);
        Failed -> ct:fail(Failed)
    end.

-spec os_pid(a_node()) -> pos_integer().
os_pid(#{port := Port}) ->
    {os_pid, OsPid} = erlang:port_info(Port, os_pid),
    OsPid.

%% Until the node has printed a line that begins with Word: the rest of that line.
-spec await_said(a_node(), string()) -> {string(), a_node()}.
await_said(#{port := Port, said := Said} = Node, Word) ->
    case re:run(Said, [Word, " (.*)\n"], [{capture, all_but_first, list}]) of
        {match, [Rest]} ->
            {Rest, Node};
        nomatch ->
            receive
                {Port, {data, Data}} -> await_said(Node#{said := <<Said/binary, Data/binary>>}, Word);
                {Port, {exit_status, Status}} -> ct:fail({node_ended, Status, Said})
            after ?PATIENCE ->
                ct:fail({never_said, Word, Said})
            end
    end.

%% In the fresh node.
-spec call(fun(() -> Result)) -> Result.
call(Body) -> Body().

-spec main() -> no_return().
main() ->
    [Call] = init:get_plain_arguments(),
    {Module, Function, Arguments} = binary_to_term(base64:decode(Call)),
    Result = gosocket_test_lib:outcome(fun() -> apply(Module, Function, Arguments) end),
    io:format(?RESULT "~s~n", [base64:encode_to_string(term_to_binary(Result))]),
    erlang:halt(0).
